/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A strict reader of JSON. */
#include "tests/runtime/json.h"

#include <check.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const char *text, *at;
} reader;

static bool take(reader *r, char c) {
    if (*r->at != c) return false;
    r->at++;
    return true;
}

static void need(reader *r, char c) {
    ck_assert_msg(take(r, c), "'%c' expected at byte %td: %.40s", c, r->at - r->text, r->at);
}

static void skip_blanks(reader *r) { r->at += strspn(r->at, " \t\r\n"); }

static void put_utf8(FILE *out, uint32_t code) {
    if (code < 0x80) fputc((int)code, out);
    else if (code < 0x800) fprintf(out, "%c%c", (int)(0xC0 | code >> 6), (int)(0x80 | (code & 63)));
    else if (code < 0x10000)
        fprintf(out, "%c%c%c", (int)(0xE0 | code >> 12), (int)(0x80 | (code >> 6 & 63)), (int)(0x80 | (code & 63)));
    else
        fprintf(out, "%c%c%c%c", (int)(0xF0 | code >> 18), (int)(0x80 | (code >> 12 & 63)),
                (int)(0x80 | (code >> 6 & 63)), (int)(0x80 | (code & 63)));
}

static uint32_t read_hex(reader *r) {
    uint32_t code = 0;
    for (size_t i = 0; i < 4; i++, r->at++) {
        ck_assert(isxdigit((unsigned char)*r->at));
        code = code * 16 + (uint32_t)(isdigit((unsigned char)*r->at) ? *r->at - '0' : (*r->at | 32) - 'a' + 10);
    }
    return code;
}

static void read_escape(reader *r, FILE *out) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (take(r, 'u')) {
        uint32_t code = read_hex(r);
        ck_assert_msg(code < 0xDC00 || code > 0xDFFF, "half a pair");
        if (code >= 0xD800 && code < 0xDC00) {
            need(r, '\\');
            need(r, 'u');
            uint32_t low = read_hex(r);
            ck_assert(low >= 0xDC00 && low < 0xE000);
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        put_utf8(out, code);
        return;
    }
    const char *name = *r->at ? strchr(names, *r->at) : NULL;
    ck_assert_msg(name, "no such escape at byte %td", r->at - r->text);
    fputc(values[name - names], out);
    r->at++;
}

/* Decodes one sequence and encodes it again: what comes out otherwise was no UTF-8. */
static void read_sequence(reader *r, FILE *out) {
    unsigned char lead = (unsigned char)*r->at;
    size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    ck_assert_msg(n > 0 && lead >= 0x20, "byte %#x at %td", lead, r->at - r->text);
    uint32_t code = n == 1 ? lead : lead & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        ck_assert_int_eq(r->at[i] & 0xC0, 0x80);
        code = code << 6 | (r->at[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    ck_assert(code >= least[n] && code < 0x110000 && (code < 0xD800 || code > 0xDFFF));
    put_utf8(out, code);
    r->at += n;
}

static char *read_string(reader *r) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    need(r, '"');
    while (!take(r, '"')) {
        if (take(r, '\\')) read_escape(r, out);
        else read_sequence(r, out);
    }
    fclose(out);
    return text;
}

static void skip_digits(reader *r) {
    ck_assert(isdigit((unsigned char)*r->at));
    while (isdigit((unsigned char)*r->at)) r->at++;
}

static void read_number(reader *r, json *j) {
    const char *begin = r->at;
    take(r, '-');
    if (!take(r, '0')) skip_digits(r);
    if (take(r, '.')) skip_digits(r);
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+')) take(r, '-');
        skip_digits(r);
    }
    j->text = strndup(begin, (size_t)(r->at - begin));
    j->value = strtod(j->text, NULL); /* tests that change the locale change it back before they read */
}

static json *read_value(reader *r);

static void read_members(reader *r, json *j, bool object) {
    json **end = &j->child;
    char close = object ? '}' : ']';
    r->at++;
    skip_blanks(r);
    if (take(r, close)) return;
    do {
        skip_blanks(r);
        char *key = object ? read_string(r) : NULL;
        skip_blanks(r);
        if (object) need(r, ':');
        *end = read_value(r);
        (*end)->key = key;
        end = &(*end)->next;
        j->n_children++;
    } while (take(r, ','));
    need(r, close);
}

static json *read_value(reader *r) {
    static const struct {
        const char *word;
        json_type type;
    } words[] = {{"true", JSON_BOOLEAN}, {"false", JSON_BOOLEAN}, {"null", JSON_NULL}};
    json *j = calloc(1, sizeof *j);
    ck_assert_ptr_nonnull(j);
    skip_blanks(r);
    if (*r->at == '{' || *r->at == '[') {
        j->type = *r->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        read_members(r, j, j->type == JSON_OBJECT);
    } else if (*r->at == '"') {
        j->type = JSON_STRING;
        j->text = read_string(r);
    } else if (isdigit((unsigned char)*r->at) || *r->at == '-') {
        j->type = JSON_NUMBER;
        read_number(r, j);
    } else {
        size_t w = 0;
        while (w < 3 && strncmp(r->at, words[w].word, strlen(words[w].word)) != 0) w++;
        ck_assert_msg(w < 3, "a value expected at byte %td: %.40s", r->at - r->text, r->at);
        j->type = words[w].type;
        r->at += strlen(words[w].word);
    }
    skip_blanks(r);
    return j;
}

json *json_read(const char *path) {
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char *text = NULL;
    size_t room = 0;
    ssize_t bytes = getdelim(&text, &room, '\0', file); /* all of it: JSON holds no such byte */
    ck_assert_int_gt(bytes, 0);
    fclose(file);
    ck_assert_uint_eq(strlen(text), (size_t)bytes);
    reader r = {text, text};
    json *j = read_value(&r);
    ck_assert_msg(*r.at == '\0', "more behind the value: %.40s", r.at);
    free(text);
    return j;
}

void json_free(json *j) {
    while (j) {
        json *next = j->next;
        json_free(j->child);
        free(j->key);
        free(j->text);
        free(j);
        j = next;
    }
}

const json *json_get(const json *object, const char *key) {
    ck_assert_int_eq(object->type, JSON_OBJECT);
    const json *found = NULL;
    for (const json *j = object->child; j; j = j->next) {
        if (strcmp(j->key, key) != 0) continue;
        ck_assert_msg(!found, "%s stands twice", key);
        found = j;
    }
    ck_assert_msg(found, "no %s", key);
    return found;
}

double json_number(const json *object, const char *key) {
    const json *j = json_get(object, key);
    ck_assert_int_eq(j->type, JSON_NUMBER);
    return j->value;
}

const char *json_text(const json *object, const char *key) {
    const json *j = json_get(object, key);
    ck_assert_int_eq(j->type, JSON_STRING);
    return j->text;
}
