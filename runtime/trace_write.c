/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Chrome's trace format ("Trace Event Format", the JSON object form): a name for each row, then a complete event ("X")
 * for each task. Written by hand, since the library itself depends on no JSON library. Times are integers split at the
 * thousand, so that no locale puts a comma into them. */
#include <inttypes.h>
#include <stdio.h>

#include "runtime/trace.h"

/* Length of the UTF-8 sequence at text, 0 where it is none (RFC 3629: no overlong forms, no surrogates). */
static size_t sequence_length(const unsigned char *text) {
    unsigned char lead = text[0];
    size_t n = lead < 0x80                   ? 1
               : lead >= 0xC2 && lead < 0xE0 ? 2
               : lead >= 0xE0 && lead < 0xF0 ? 3
               : lead >= 0xF0 && lead < 0xF5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if (text[i] < 0x80 || text[i] > 0xBF) return 0; /* also at the end of the text */
    if ((lead == 0xE0 && text[1] < 0xA0) || (lead == 0xED && text[1] > 0x9F) || (lead == 0xF0 && text[1] < 0x90) ||
        (lead == 0xF4 && text[1] > 0x8F))
        return 0;
    return n;
}

/* A JSON string; bytes that are no UTF-8 become the replacement character. */
static void write_string(FILE *file, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', file);
    while (*at) {
        size_t n = sequence_length(at);
        if (n == 0) fputs("\\ufffd", file);
        else if (*at == '"' || *at == '\\') fprintf(file, "\\%c", *at);
        else if (*at < 0x20) fprintf(file, "\\u%04x", *at);
        else fwrite(at, 1, n, file);
        at += n > 0 ? n : 1;
    }
    fputc('"', file);
}

static void write_microseconds(FILE *file, uint64_t ns) {
    fprintf(file, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

static void write_event(FILE *file, const hl__trace *trace, const hl__rate *rate, size_t row, const hl__event *event) {
    uint64_t begin_ns = hl__clock_ns(rate, event->begin - trace->clock.origin.ticks);
    uint64_t end_ns = hl__clock_ns(rate, event->end - trace->clock.origin.ticks);
    const hl__traced_task *task = &trace->tasks[event->task];
    fputs(",\n{\"ph\":\"X\",\"pid\":1,\"tid\":", file);
    fprintf(file, "%zu,\"name\":", row);
    write_string(file, task->name == HL__NO_NAME ? "" : trace->names[task->name]);
    fputs(",\"ts\":", file);
    write_microseconds(file, begin_ns);
    fputs(",\"dur\":", file);
    write_microseconds(file, end_ns - begin_ns);
    fputs(",\"args\":{\"index\":[", file);
    for (size_t i = 0; i < HL__TASK_GRID_RANK; i++) fprintf(file, "%s%" PRIu32, i > 0 ? "," : "", task->index[i]);
    fputs("]}}", file);
}

bool hl__trace_write(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows, const char *path) {
    FILE *file = fopen(path, "we");
    if (!file) return false;
    hl__rate rate = hl__clock_rate(&trace->clock);
    uint64_t n_dropped = 0;
    for (size_t r = 0; r < n_rows; r++) n_dropped += rows[r].events->n_dropped;
    fprintf(file, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"dropped_events\":%" PRIu64 "},\"traceEvents\":[\n",
            n_dropped);
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"headloom\"}}", file);
    for (size_t r = 0; r < n_rows; r++) {
        fprintf(file,
                ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%zu,\"name\":\"thread_name\",\"args\":"
                "{\"name\":\"worker %zu (node %zu)\",\"dropped_events\":%" PRIu64 "}}",
                rows[r].worker, rows[r].worker, rows[r].node, rows[r].events->n_dropped);
        for (size_t e = 0; e < rows[r].events->n_events; e++)
            write_event(file, trace, &rate, rows[r].worker, &rows[r].events->event[e]);
    }
    fputs("\n]}\n", file);
    bool written = !ferror(file);
    return fclose(file) == 0 && written;
}
