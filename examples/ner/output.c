/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Asking the system what it thinks of an output. */
#include "examples/ner/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

hl_status ner_output_ready(FILE *file, const char *name, ner_error *error) {
    int descriptor = fileno(file);
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) {
        return ner_fail(error, HL_SYSTEM, "%s: %s", name, strerror(errno));
    }
    if ((flags & O_ACCMODE) == O_RDONLY) {
        return ner_fail(error, HL_SYSTEM, "%s: it is open for reading only", name);
    }
    struct pollfd pipe = {.fd = descriptor, .events = POLLOUT};
    if (poll(&pipe, 1, 0) > 0 && (pipe.revents & POLLERR)) {
        return ner_fail(error, HL_SYSTEM, "%s: %s", name, strerror(EPIPE));
    }
    return HL_OK;
}

hl_status ner_output_may_make(const char *path, ner_error *error) {
    int made = 0, file = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe without a reader would wait */
    if (file < 0 && errno == ENOENT) {
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        made = file >= 0;
    }
    if (file < 0 && errno == EEXIST) { /* a link to what is not there yet */
        return HL_OK;
    }
    if (file < 0) {
        return ner_fail(error, HL_SYSTEM, "%.120s: %s", path, strerror(errno));
    }
    close(file);
    if (made) {
        unlink(path);
    }
    return HL_OK;
}

hl_status ner_output_flush(FILE *file, const char *name, ner_error *error) {
    errno = 0;
    if (fflush(file) == 0 && !ferror(file)) {
        return HL_OK;
    }
    return ner_fail(error, HL_SYSTEM, "%.120s: %s", name, errno ? strerror(errno) : "it could not be written in full");
}
