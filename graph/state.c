/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Named tensors that outlive programs, behind one lock (graph/queue_lock.c says why it is none of the C library's). */
#include "graph/state.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/queue_lock.h"
#include "runtime/memory.h"
#include "runtime/run.h"

#define SPREAD_BYTES ((size_t)64 << 10) /* some pages a node, or it is not worth their rounding up */

typedef struct entry {
    char *name;
    hl_dtype dtype;
    hl_shape shape;
    void *data;
    size_t bytes;
    bool settled; /* a program has its address */
    bool spread;  /* it is an arena */
    bool used;    /* a program was made with it */
} entry;

struct hl_state {
    hl__queue_lock lock;
    entry *entries;
    size_t n_entries, room;
    hl_missing missing;
    pthread_mutex_t message_lock;
    char message[640];
};

static hl_status fail(hl_state *state, hl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

static hl_status fail(hl_state *state, hl_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&state->message_lock);
    vsnprintf(state->message, sizeof state->message, format, arguments);
    pthread_mutex_unlock(&state->message_lock);
    va_end(arguments);
    return status;
}

hl_status hl_state_create(hl_state **state) {
    if (!state) return HL_INVALID_ARGUMENT;
    hl_state *made = hl__allocate(1, sizeof *made);
    if (!made) return HL_OUT_OF_MEMORY;
    if (hl__queue_lock_init(&made->lock) != HL_OK) {
        hl__release(made);
        return HL_SYSTEM;
    }
    if (pthread_mutex_init(&made->message_lock, NULL) != 0) {
        hl__queue_lock_clear(&made->lock);
        hl__release(made);
        return HL_SYSTEM;
    }
    *state = made;
    return HL_OK;
}

static void release_data(entry *e) {
    if (e->spread) hl__arena_destroy(NULL, e->data, e->bytes);
    else hl__release(e->data);
}

static void clear_entry(entry *e) {
    hl__release(e->name);
    release_data(e);
}

void hl_state_destroy(hl_state *state) {
    if (!state) return;
    for (size_t i = 0; i < state->n_entries; i++) clear_entry(&state->entries[i]);
    hl__release(state->entries);
    pthread_mutex_destroy(&state->message_lock);
    hl__queue_lock_clear(&state->lock);
    hl__release(state);
}

hl_status hl__state_hold(hl_state *state, bool write) {
    hl_status status = hl__queue_lock_take(&state->lock, write, !hl__called_by_kernel());
    /* A forked child leaves no words: another thread may have had their lock for ever. */
    return status == HL_BUSY ? fail(state, status, "%s", hl__state_refusal(status)) : status;
}

const char *hl__state_refusal(hl_status status) {
    return status == HL_FORKED ? "the state was in use when this process was forked"
                               : "the state is in use by the run, or the creation of a program, that makes this call";
}

void hl__state_let_go(hl_state *state) { hl__queue_lock_give_back(&state->lock); }

static entry *find(const hl_state *state, const char *name) {
    for (size_t i = 0; i < state->n_entries; i++)
        if (strcmp(state->entries[i].name, name) == 0) return &state->entries[i];
    return NULL;
}

/* HL_OK where the tensor has this type and shape. */
static hl_status fit(const entry *e, hl_dtype dtype, const hl_shape *shape) {
    if (e->dtype != dtype) return HL_TYPE_MISMATCH;
    bool same = e->shape.rank == shape->rank &&
                memcmp(e->shape.extent, shape->extent, shape->rank * sizeof shape->extent[0]) == 0;
    return same ? HL_OK : HL_SHAPE_MISMATCH;
}

static hl_status enter(hl_state *state, const char *name, hl_dtype dtype, const hl_shape *shape, entry **made) {
    if (!hl__grow(&state->entries, &state->room, state->n_entries, state->n_entries + 1, sizeof *state->entries))
        return fail(state, HL_OUT_OF_MEMORY, "no memory for state tensor '%s'", name);
    entry fresh = {.dtype = dtype, .shape = *shape};
    fresh.bytes = hl_shape_elements(shape) * hl_dtype_bytes(dtype);
    fresh.name = hl__copy_string(name);
    fresh.data = hl__allocate(fresh.bytes, 1);
    if (!fresh.name || !fresh.data) {
        clear_entry(&fresh);
        return fail(state, HL_OUT_OF_MEMORY, "no memory for state tensor '%s' (%zu bytes)", name, fresh.bytes);
    }
    state->entries[state->n_entries] = fresh;
    *made = &state->entries[state->n_entries++];
    return HL_OK;
}

static hl_status refuse(hl_state *state, hl_status status, const entry *e, hl_dtype dtype, const hl_shape *shape) {
    char ours[HL_SHAPE_TEXT], theirs[HL_SHAPE_TEXT];
    return fail(state, status, "state tensor '%s' is %s %s, not %s %s", e->name, hl_dtype_name(e->dtype),
                hl_shape_text(&e->shape, ours, sizeof ours), hl_dtype_name(dtype),
                hl_shape_text(shape, theirs, sizeof theirs));
}

hl_status hl__state_bind(hl_state *state, const char *name, hl_dtype dtype, const hl_shape *shape, void **data,
                         bool *fresh) {
    entry *e = find(state, name);
    hl_status status = e ? fit(e, dtype, shape) : HL_OK;
    if (status != HL_OK) return refuse(state, status, e, dtype, shape);
    *fresh = !e;
    if (!e && (status = enter(state, name, dtype, shape, &e)) != HL_OK) return status;
    *data = e->data;
    return HL_OK;
}

void *hl__state_settle(hl_state *state, hl_runtime *runtime, const char *name, bool divided) {
    entry *e = find(state, name);
    if (!e->settled && e->bytes >= SPREAD_BYTES && hl_runtime_nodes(runtime) > 1) {
        /* Pages are placed when they are touched, so what has been touched has to be copied. Costs speed if it fails.
         */
        void *spread = hl__arena_create(runtime, e->bytes, HL__NO_NODE);
        if (spread) {
            size_t unit = divided ? hl__arena_unit(e->bytes, hl_runtime_nodes(runtime)) : 0;
            if (unit > 0) hl__arena_divide(runtime, spread, (e->bytes + unit - 1) / unit * unit);
            memcpy(spread, e->data, e->bytes);
            release_data(e);
            e->data = spread;
            e->spread = true;
        }
    }
    e->settled = true;
    return e->data;
}

/* ---- what a program finds ---- */

#define NAMES_SHOWN 3

/* The first names of a list, and how many there are. */
typedef struct name_list {
    size_t n, length;
    char text[NAMES_SHOWN * 80];
} name_list;

static void add_name(name_list *list, const char *name) {
    if (list->n++ >= NAMES_SHOWN) return;
    int bytes = snprintf(list->text + list->length, sizeof list->text - list->length, "%s'%.64s'",
                         list->length ? ", " : "", name);
    list->length += (size_t)bytes; /* below 80 */
}

static const char *more(const name_list *list) { return list->n > NAMES_SHOWN ? ", ..." : ""; }

static bool among(const char *name, const char *const names[], size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

hl_status hl__state_check_missing(hl_state *state, const char *const names[], const bool params[], size_t n) {
    if (state->missing == HL_MISSING_MADE) return HL_OK;
    name_list missing = {0}, unused = {0};
    for (size_t i = 0; i < n; i++)
        if ((params[i] || state->missing == HL_MISSING_REFUSED) && !find(state, names[i])) add_name(&missing, names[i]);
    if (missing.n == 0) return HL_OK;
    for (size_t i = 0; i < state->n_entries; i++) {
        const entry *e = &state->entries[i];
        if (!e->used && !among(e->name, names, n)) add_name(&unused, e->name);
    }
    return fail(state, HL_NOT_FOUND,
                "the state does not hold %zu tensor%s that the program needs: %s%s; "
                "of those that it holds no program uses %zu%s%s%s",
                missing.n, missing.n == 1 ? "" : "s", missing.text, more(&missing), unused.n, unused.n ? ": " : "",
                unused.text, more(&unused));
}

void hl__state_use(hl_state *state, const char *name) {
    entry *e = find(state, name);
    if (e) e->used = true;
}

size_t hl__state_mark(const hl_state *state) { return state->n_entries; }

void hl__state_rewind(hl_state *state, size_t mark) {
    while (state->n_entries > mark) clear_entry(&state->entries[--state->n_entries]);
}

size_t hl_state_count(const hl_state *state) {
    if (!state) return 0;
    if (hl__state_hold((hl_state *)state, false) != HL_OK) return 0;
    size_t n = state->n_entries;
    hl__state_let_go((hl_state *)state);
    return n;
}

hl_status hl_state_tensor(const hl_state *state, size_t index, const char **name, hl_dtype *dtype, hl_shape *shape) {
    if (!state) return HL_INVALID_ARGUMENT;
    hl_state *own = (hl_state *)state; /* the lock is no part of the value */
    hl_status status = hl__state_hold(own, false);
    if (status != HL_OK) return status;
    if (index >= state->n_entries) {
        status = fail(own, HL_OUT_OF_RANGE, "state tensor %zu of %zu", index, state->n_entries);
    } else {
        const entry *e = &state->entries[index];
        if (name) *name = e->name;
        if (dtype) *dtype = e->dtype;
        if (shape) *shape = e->shape;
    }
    hl__state_let_go(own);
    return status;
}

hl_status hl_state_used(const hl_state *state, size_t index, bool *used) {
    if (!state) return HL_INVALID_ARGUMENT;
    hl_state *own = (hl_state *)state; /* the lock is no part of the value */
    if (!used) return fail(own, HL_INVALID_ARGUMENT, "hl_state_used: used is NULL");
    hl_status status = hl__state_hold(own, false);
    if (status != HL_OK) return status;
    if (index >= state->n_entries)
        status = fail(own, HL_OUT_OF_RANGE, "state tensor %zu of %zu", index, state->n_entries);
    else *used = state->entries[index].used;
    hl__state_let_go(own);
    return status;
}

hl_status hl_state_set_missing(hl_state *state, hl_missing missing) {
    if (!state) return HL_INVALID_ARGUMENT;
    if (missing < HL_MISSING_MADE || missing > HL_MISSING_REFUSED)
        return fail(state, HL_INVALID_ARGUMENT, "hl_state_set_missing: %d is no such choice", (int)missing);
    hl_status status = hl__state_hold(state, true);
    if (status != HL_OK) return status;
    state->missing = missing;
    hl__state_let_go(state);
    return HL_OK;
}

/* Finds a tensor for a copy of `bytes` bytes; the state is held. */
static hl_status find_exact(hl_state *state, const char *name, size_t bytes, entry **found) {
    *found = find(state, name);
    if (!*found) return fail(state, HL_NOT_FOUND, "the state has no tensor '%s'", name);
    if ((*found)->bytes != bytes)
        return fail(state, HL_SHAPE_MISMATCH, "state tensor '%s' has %zu bytes, not %zu", name, (*found)->bytes, bytes);
    return HL_OK;
}

/* Whole numbers in a state are counts, which kernels rely on. data may stand anywhere, as in a file in memory. */
static hl_status check_counts(hl_state *state, const char *name, hl_dtype dtype, const void *data, size_t bytes) {
    int32_t count;
    for (size_t i = 0; dtype == HL_I32 && i < bytes / sizeof count; i++) {
        memcpy(&count, (const char *)data + i * sizeof count, sizeof count);
        if (count < 0)
            return fail(state, HL_OUT_OF_RANGE, "state tensor '%s': element %zu is %d; counts begin at 0", name, i,
                        (int)count);
    }
    return HL_OK;
}

hl_status hl_state_read(hl_state *state, const char *name, void *data, size_t bytes) {
    if (!state) return HL_INVALID_ARGUMENT;
    if (!name || !data) return fail(state, HL_INVALID_ARGUMENT, "hl_state_read: name or data is NULL");
    entry *e;
    hl_status status = hl__state_hold(state, false);
    if (status != HL_OK) return status;
    status = find_exact(state, name, bytes, &e);
    if (status == HL_OK) memcpy(data, e->data, bytes);
    hl__state_let_go(state);
    return status;
}

hl_status hl_state_write(hl_state *state, const char *name, const void *data, size_t bytes) {
    if (!state) return HL_INVALID_ARGUMENT;
    if (!name || !data) return fail(state, HL_INVALID_ARGUMENT, "hl_state_write: name or data is NULL");
    entry *e;
    hl_status status = hl__state_hold(state, true);
    if (status != HL_OK) return status;
    status = find_exact(state, name, bytes, &e);
    if (status == HL_OK) status = check_counts(state, name, e->dtype, data, bytes);
    if (status == HL_OK) memcpy(e->data, data, bytes);
    hl__state_let_go(state);
    return status;
}

hl_status hl_state_enter(hl_state *state, const char *name, hl_dtype dtype, hl_shape shape, const void *data,
                         size_t bytes) {
    if (!state) return HL_INVALID_ARGUMENT;
    if (!name || !*name || !data || hl_dtype_bytes(dtype) == 0 || shape.rank > HL_MAX_RANK)
        return fail(state, HL_INVALID_ARGUMENT, "hl_state_enter: no name, data, element type or valid rank");
    if (hl_shape_elements(&shape) == 0 || hl_shape_elements(&shape) > SIZE_MAX / 8 ||
        bytes != hl_shape_elements(&shape) * hl_dtype_bytes(dtype))
        return fail(state, HL_SHAPE_MISMATCH, "hl_state_enter: '%s' has %zu elements, not %zu bytes", name,
                    hl_shape_elements(&shape), bytes);
    hl_status status = check_counts(state, name, dtype, data, bytes);
    if (status != HL_OK) return status;
    void *target;
    bool fresh;
    status = hl__state_hold(state, true);
    if (status != HL_OK) return status;
    status = hl__state_bind(state, name, dtype, &shape, &target, &fresh);
    if (status == HL_OK) memcpy(target, data, bytes);
    hl__state_let_go(state);
    return status;
}

const char *hl_state_error(const hl_state *state) { return state ? state->message : "the state is NULL"; }
