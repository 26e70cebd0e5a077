/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pieces of generated code in a table of chains. Each piece has pages of its own: they are written first and made
 * executable then, never both at once, and are unmapped when nobody holds the piece. Packed pieces would take half the
 * memory; but then new code would have to be written into pages in which other threads run, or a page would stay for as
 * long as the longest lived of its pieces. */
#include "runtime/code.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/atomic.h"
#include "runtime/memory.h"

#define CHAINS 1024

typedef struct hl__code_piece {
    struct hl__code_piece *next;
    void *memory;
    size_t bytes;   /* whole pages */
    size_t holders; /* times that it was placed */
    size_t key_bytes;
    unsigned char key[];
} hl__code_piece;

struct hl__code {
    pthread_mutex_t mutex; /* over all but the counts, which whoever describes the runtime reads without it */
    hl__code_piece *chain[CHAINS];
    unsigned char *buffer; /* HL__CODE_PIECE: where pieces are generated */
    size_t page, most_bytes;
    _Atomic size_t pieces, bytes, lacks;
    _Atomic int lack, error;
};

hl__code *hl__code_create(size_t most_bytes) {
    hl__code *code = hl__allocate(1, sizeof *code);
    if (!code) return NULL;
    code->buffer = hl__allocate(1, HL__CODE_PIECE);
    if (!code->buffer) {
        hl__release(code);
        return NULL;
    }
    pthread_mutex_init(&code->mutex, NULL);
    code->page = (size_t)sysconf(_SC_PAGESIZE);
    code->most_bytes = most_bytes;
    return code;
}

void hl__code_destroy(hl__code *code) {
    if (!code) return;
    pthread_mutex_destroy(&code->mutex);
    hl__release(code->buffer);
    hl__release(code);
}

/* FNV-1a (Fowler, Noll, Vo 1991). */
static hl__code_piece **chain_of(hl__code *code, const void *key, size_t key_bytes) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < key_bytes; i++) hash = (hash ^ ((const unsigned char *)key)[i]) * 1099511628211u;
    return &code->chain[(hash ^ hash >> 32) % CHAINS];
}

/* Counts are written under the mutex; relaxed: a reader wants a number of each, not all of one moment. */
static void count(hl__code *code, hl__code_piece *piece, bool more) {
    size_t pieces = hl__atomic_load(code_pieces, &code->pieces, relaxed);
    size_t bytes = hl__atomic_load(code_bytes, &code->bytes, relaxed);
    hl__atomic_store(code_pieces_set, &code->pieces, more ? pieces + 1 : pieces - 1, relaxed);
    hl__atomic_store(code_bytes_set, &code->bytes, more ? bytes + piece->bytes : bytes - piece->bytes, relaxed);
}

/* relaxed: as above. */
static void *lack(hl__code *code, hl__code_lack why, int error) {
    hl__atomic_store(code_lacks_set, &code->lacks, hl__atomic_load(code_lacks, &code->lacks, relaxed) + 1, relaxed);
    hl__atomic_store(code_lack_set, &code->lack, (int)why, relaxed);
    hl__atomic_store(code_error_set, &code->error, error, relaxed);
    return NULL;
}

static void *refuse(hl__code *code, int error) {
    return lack(code, error == ENOMEM || error == EAGAIN ? HL__CODE_NO_MEMORY : HL__CODE_FORBIDDEN, error);
}

/* Pages with what is in the buffer, executable and no longer writable. */
static void *map_code(hl__code *code, size_t used, size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return refuse(code, errno);
    memcpy(memory, code->buffer, used);
    if (mprotect(memory, bytes, PROT_READ | PROT_EXEC) == 0) return memory;
    int error = errno;
    munmap(memory, bytes);
    return refuse(code, error);
}

static hl__code_piece *make_piece(hl__code *code, const void *key, size_t key_bytes, hl__code_generator *generate) {
    /* relaxed: written under the mutex that is held. */
    if (hl__atomic_load(code_forbidden, &code->lack, relaxed) == HL__CODE_FORBIDDEN)
        return lack(code, HL__CODE_FORBIDDEN, hl__atomic_load(code_why, &code->error, relaxed));
    size_t used = generate(key, code->buffer, HL__CODE_PIECE);
    if (used == 0) return lack(code, HL__CODE_NOT_TO_BE_GENERATED, 0);
    size_t bytes = (used + code->page - 1) / code->page * code->page;
    if (hl__atomic_load(code_room, &code->bytes, relaxed) + bytes > code->most_bytes) /* relaxed: as above */
        return lack(code, HL__CODE_FULL, 0);
    hl__code_piece *piece = hl__allocate(1, sizeof *piece + key_bytes);
    if (!piece) return lack(code, HL__CODE_NO_MEMORY, ENOMEM);
    *piece = (hl__code_piece){.bytes = bytes, .key_bytes = key_bytes, .memory = map_code(code, used, bytes)};
    memcpy(piece->key, key, key_bytes);
    if (piece->memory) return piece;
    hl__release(piece);
    return NULL;
}

static hl__code_piece *find_or_make(hl__code *code, const void *key, size_t key_bytes, hl__code_generator *generate) {
    hl__code_piece **chain = chain_of(code, key, key_bytes);
    for (hl__code_piece *piece = *chain; piece; piece = piece->next)
        if (piece->key_bytes == key_bytes && memcmp(piece->key, key, key_bytes) == 0) return piece;
    hl__code_piece *made = make_piece(code, key, key_bytes, generate);
    if (!made) return NULL;
    made->next = *chain;
    *chain = made;
    count(code, made, true);
    return made;
}

const void *hl__code_place(void *lease, const void *key, size_t key_bytes, hl__code_generator *generate) {
    hl__code_lease *holds = lease;
    hl__code *code = holds->code;
    pthread_mutex_lock(&code->mutex);
    hl__code_piece *piece = NULL;
    if (!hl__grow(&holds->pieces, &holds->room, holds->n, holds->n + 1, sizeof *holds->pieces))
        lack(code, HL__CODE_NO_MEMORY, ENOMEM);
    else piece = find_or_make(code, key, key_bytes, generate);
    if (piece) {
        piece->holders++;
        holds->pieces[holds->n++] = piece;
    }
    pthread_mutex_unlock(&code->mutex);
    return piece ? piece->memory : NULL;
}

static void let_go(hl__code *code, hl__code_piece *piece) {
    if (--piece->holders > 0) return;
    hl__code_piece **at = chain_of(code, piece->key, piece->key_bytes);
    while (*at != piece) at = &(*at)->next;
    *at = piece->next;
    count(code, piece, false);
    munmap(piece->memory, piece->bytes);
    hl__release(piece);
}

void hl__code_end(hl__code_lease *lease) {
    if (lease->n > 0) {
        pthread_mutex_lock(&lease->code->mutex);
        for (size_t i = 0; i < lease->n; i++) let_go(lease->code, lease->pieces[i]);
        pthread_mutex_unlock(&lease->code->mutex);
    }
    hl__release(lease->pieces);
    *lease = (hl__code_lease){.code = lease->code};
}

hl__code_counts hl__code_count(const hl__code *code) {
    /* relaxed: as in count. */
    return (hl__code_counts){.pieces = hl__atomic_load(count_pieces, &code->pieces, relaxed),
                             .bytes = hl__atomic_load(count_bytes, &code->bytes, relaxed),
                             .most_bytes = code->most_bytes,
                             .lacks = hl__atomic_load(count_lacks, &code->lacks, relaxed),
                             .lack = (hl__code_lack)hl__atomic_load(count_lack, &code->lack, relaxed),
                             .error = hl__atomic_load(count_error, &code->error, relaxed)};
}
