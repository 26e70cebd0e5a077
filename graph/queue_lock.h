/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A reader-writer lock that lets everyone in in the order in which they came: readers that follow one another are in
 * together, a writer is in alone. */
#ifndef HL_GRAPH_QUEUE_LOCK_H
#define HL_GRAPH_QUEUE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "headloom/status.h"

typedef struct hl__queue_lock {
    pid_t owner; /* process in which its holders can be */
    pthread_mutex_t mutex;
    pthread_cond_t moved;         /* somebody was let in, or has left */
    uint64_t n_arrived, n_let_in; /* whoever arrives as number n is the next to be let in when n have been */
    size_t n_readers;             /* that are in */
    bool writer;                  /* is in */
    pthread_t writing;            /* the thread of the writer that is in */
} hl__queue_lock;

/* HL_SYSTEM. */
hl_status hl__queue_lock_init(hl__queue_lock *lock);
void hl__queue_lock_clear(hl__queue_lock *lock); /* nobody is in, or waits */

/* Waits until it is let in; where it may not wait, it is let in at once or refused. No thread may ask for a lock that
 * it has for reading, not even to read: a writer may have come between. HL_BUSY: it would have had to wait and may not,
 * or waits for itself: its thread is the writer. HL_FORKED: the process was forked while somebody was in or waited, who
 * has stayed with the parent. */
hl_status hl__queue_lock_take(hl__queue_lock *lock, bool write, bool may_wait);
void hl__queue_lock_give_back(hl__queue_lock *lock);

#endif
