/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The order of arrival, and nothing else, decides who is let in: each draws a number and waits for its turn, and a turn
 * goes on to the next as soon as its owner is in. So whoever waits has at most those before it to wait for.
 *
 * pthread_rwlock_t prefers one side: by default readers come in beside others while a writer waits, and evaluators that
 * overlap would keep a trainer out for ever; the kind that prefers writers lets two trainers that take turns do the
 * same to an evaluator. A mutex before it, held while a writer waits, decides nothing: whoever has just left is faster
 * at it than one who has to be woken. A lock is taken once for a whole run, so that waking all who wait costs nothing
 * beside. */
#include "graph/queue_lock.h"

#include <unistd.h>

hl_status hl__queue_lock_init(hl__queue_lock *lock) {
    *lock = (hl__queue_lock){.owner = getpid()};
    if (pthread_mutex_init(&lock->mutex, NULL) != 0) return HL_SYSTEM;
    if (pthread_cond_init(&lock->moved, NULL) == 0) return HL_OK;
    pthread_mutex_destroy(&lock->mutex);
    return HL_SYSTEM;
}

void hl__queue_lock_clear(hl__queue_lock *lock) {
    if (lock->owner != getpid()) return; /* others may be in it for ever */
    pthread_cond_destroy(&lock->moved);
    pthread_mutex_destroy(&lock->mutex);
}

/* A forked child makes the lock its own, unless it was in use: then what it guards may be half written. The child has
 * one thread at first, which is taken to be the one that calls. */
static hl_status inherit(hl__queue_lock *lock) {
    if (pthread_mutex_trylock(&lock->mutex) != 0) return HL_FORKED;
    bool in_use = lock->writer || lock->n_readers > 0 || lock->n_let_in != lock->n_arrived;
    if (!in_use) lock->owner = getpid(); /* nobody waits, so that mutex and condition are as good as new */
    pthread_mutex_unlock(&lock->mutex);
    return in_use ? HL_FORKED : HL_OK;
}

/* Of whoever is to come in when `number` have been let in. */
static bool must_wait(const hl__queue_lock *lock, uint64_t number, bool write) {
    return lock->n_let_in != number || lock->writer || (write && lock->n_readers > 0);
}

hl_status hl__queue_lock_take(hl__queue_lock *lock, bool write, bool may_wait) {
    if (lock->owner != getpid()) {
        hl_status status = inherit(lock);
        if (status != HL_OK) return status;
    }
    pthread_mutex_lock(&lock->mutex);
    bool own = lock->writer && pthread_equal(lock->writing, pthread_self());
    if (own || (!may_wait && must_wait(lock, lock->n_arrived, write))) {
        pthread_mutex_unlock(&lock->mutex);
        return HL_BUSY;
    }
    uint64_t number = lock->n_arrived++;
    while (must_wait(lock, number, write)) pthread_cond_wait(&lock->moved, &lock->mutex);
    lock->n_let_in++;
    lock->writer = write;
    if (write) lock->writing = pthread_self();
    lock->n_readers += !write;
    if (lock->n_let_in != lock->n_arrived) pthread_cond_broadcast(&lock->moved); /* the next may be a reader, too */
    pthread_mutex_unlock(&lock->mutex);
    return HL_OK;
}

void hl__queue_lock_give_back(hl__queue_lock *lock) {
    pthread_mutex_lock(&lock->mutex);
    if (lock->writer) lock->writer = false;
    else lock->n_readers--;
    if (lock->n_let_in != lock->n_arrived) pthread_cond_broadcast(&lock->moved);
    pthread_mutex_unlock(&lock->mutex);
}
