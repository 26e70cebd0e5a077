/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/worker.c: how workers sleep and are woken. Nobody sleeps for ever while there is work for him or the end was
 * announced (that would be an invalid end state), and the counters are never below the number of workers that can be
 * claimed.
 *
 * What is published, and by whom:
 *   as built   runs that everybody must take part in, by a caller (policy_serial.c, where it is one worker)
 *   -DROOTS    as many roots as there are workers, by a caller (policy_dataflow.c: submit)
 *   -DLEVELS   as many tasks of a level (policy_levels.c: open_level)
 *   -DPUSHES   tasks onto a worker's deque, BATCH at a time (policy_dataflow.c: wake_for; deque.c: hl__deque_size);
 *              with -DREMOTE the last worker is of another node, and only takes what leaves one behind
 *   -DINBOX    tasks into the inbox of the last worker's node, by a worker of the other (policy_dataflow.c: send_home;
 *              inbox.c: hl__inbox_size)
 * A task lasts until each worker has one, so that one who sleeps on is found. Runs and roots are followed by the end
 * (pool.c); with PUSHES and INBOX who has had a task leaves.
 *
 * Workers look once before they sleep, not SPIN_LOOKS times: what an earlier look finds, the last one finds too. As
 * built the kernel may wake one of them for no reason, once. */
#ifndef N_WORKERS
#define N_WORKERS 2 /* number 0 is the caller, or the worker that pushes */
#endif
#ifndef N_RUNS
#define N_RUNS 2
#endif
#define N_PROCS (N_WORKERS + 1)
#define N_OBJECTS 1
#define HISTORY 8
#define STOPPING 0
#define N_PARKED 1
#define POOL_N_PARKED 2 /* of each node */
#define RUN 4           /* serial_state.run */
#define ROOTS_LEFT 4
#define TOP 4 /* of the deque; with INBOX its head and tail */
#define BOTTOM 5
#if defined(PUSHES) || defined(INBOX)
#define PARKED 5 /* of worker w: PARKED + w; the number of the first is 1 */
#else
#define PARKED 4
#endif
#define N_VARS (PARKED + N_WORKERS + 1)
#if defined(REMOTE) || defined(INBOX)
#define NODE(w) ((w) == N_WORKERS)
#define N_PUSHED (N_WORKERS + 1)
#else
#define NODE(w) 0
#define N_PUSHED N_WORKERS
#endif
#ifdef INBOX
#define LEAST(w) (2 - NODE(w))
#else
#define LEAST(w) (1 + NODE(w))
#endif

#ifndef BATCH
#define BATCH N_PUSHED
#endif
#if defined(PUSHES)
#define MORE_SWITCHES \
    SWITCH(push_publish, SEQ_CST) SWITCH(flow_sleepers, SEQ_CST) SWITCH(size_top, SEQ_CST) \
    SWITCH(size_bottom, SEQ_CST) SWITCH(drop_wake_for, OFF) SWITCH(drop_wake_anywhere, OFF)
#define LOADS_MORE(p, x) \
    (x == N_PARKED ? (p == 0 ? LOADS_BY(flow_sleepers) : NEVER) : x == BOTTOM ? LOADS_BY(size_bottom) : ANY_ORDER)
#elif defined(INBOX)
#define MORE_SWITCHES \
    SWITCH(put_place, SEQ_CST) SWITCH(home_sleepers, SEQ_CST) SWITCH(inbox_head, ACQUIRE) SWITCH(inbox_tail, SEQ_CST) \
    SWITCH(take_head, RELAXED) SWITCH(take_tail, RELAXED) SWITCH(take_claim, RELAXED) \
    SWITCH(drop_send_home_wake, OFF) SWITCH(drop_wake_anywhere, OFF)
#define LOADS_MORE(p, x) (x == N_PARKED ? (p == 0 ? LOADS_BY(home_sleepers) : NEVER) : ANY_ORDER)
#elif defined(ROOTS) || defined(LEVELS)
#ifdef ROOTS
#define SUBMIT flow_submit
#define READY flow_ready
#define GUESS root_guess
#define CLAIM root_claim
#define SWITCHES_OF_CALLER \
    SWITCH(flow_submit, SEQ_CST) SWITCH(flow_ready, SEQ_CST) SWITCH(root_guess, RELAXED) SWITCH(root_claim, ACQ_REL)
#else
#define SUBMIT levels_open
#define READY levels_ready
#define GUESS levels_guess
#define CLAIM levels_claim
#define SWITCHES_OF_CALLER \
    SWITCH(levels_open, SEQ_CST) SWITCH(levels_ready, SEQ_CST) SWITCH(levels_guess, RELAXED) \
    SWITCH(levels_claim, ACQ_REL)
#endif
#define MORE_SWITCHES \
    SWITCHES_OF_CALLER \
    SWITCH(drop_submit_wake, OFF) SWITCH(swap_publish_wake, OFF)
#define LOADS_MORE(p, x) (p == 0 || x == N_PARKED ? NEVER : ANY_ORDER)
#else
#define MORE_SWITCHES \
    SWITCH(serial_submit, SEQ_CST) SWITCH(serial_ready, SEQ_CST) \
    SWITCH(drop_submit_wake, OFF) SWITCH(drop_park_again, OFF) SWITCH(swap_publish_wake, OFF)
#define LOADS_MORE(p, x) (x == N_PARKED ? NEVER : LOADS_BY(serial_ready))
#define SPURIOUS 1
#endif
#ifndef SPURIOUS
#define SPURIOUS 0
#endif
#define SWITCHES \
    SWITCH(claim_parked, SEQ_CST) SWITCH(claim_pool_count, SEQ_CST) SWITCH(claim_count, SEQ_CST) \
    SWITCH(wake_look, SEQ_CST) SWITCH(wake_pool_count, SEQ_CST) SWITCH(reason_stopping, SEQ_CST) \
    SWITCH(park_pool_count, SEQ_CST) SWITCH(park_count, SEQ_CST) SWITCH(park_announce, SEQ_CST) \
    SWITCH(park_wait, ACQUIRE) SWITCH(main_stopping, RELAXED) SWITCH(stop_set, SEQ_CST) \
    SWITCH(drop_last_look, OFF) SWITCH(drop_take_back, OFF) SWITCH(drop_claim_parked, OFF) \
    SWITCH(drop_wake_futex, OFF) SWITCH(drop_reason_stopping, OFF) SWITCH(drop_stop_wake, OFF) \
    SWITCH(swap_park_announce_counts, OFF) SWITCH(swap_last_look_announce, OFF) SWITCH(swap_stop_set_wake, OFF) \
    MORE_SWITCHES
#define LOADS(p, x) \
    (x == STOPPING ? (p == 0 ? NEVER : ANY_ORDER) : \
     x > PARKED ? (p == 0 || x == PARKED + p ? ANY_ORDER : NEVER) : \
     x == POOL_N_PARKED || x == POOL_N_PARKED + 1 ? (p == 0 ? LOADS_BY(wake_pool_count) : NEVER) : LOADS_MORE(p, x))
#include "memory.pml"

c_code {
/* The counters against what they stand for, as they are in memory. */
static int counters_hold(void) {
    int n[2] = { 0, 0 };
    for (int w = 1; w <= N_WORKERS; w++) n[NODE(w)] += last(PARKED + w) == 1;
    for (int p = 0; p < 2; p++) if ((signed char)last(POOL_N_PARKED + p) < n[p]) return 0;
    return (signed char)last(N_PARKED) >= n[0] + n[1];
}
static int counters_zero(void) {
    return last(N_PARKED) == 0 && last(POOL_N_PARKED) == 0 && last(POOL_N_PARKED + 1) == 0;
}
}
#define CHECK_COUNTERS assert(c_expr { counters_hold () })

bool asleep[N_WORKERS + 1]; /* in the kernel */
byte spurious = SPURIOUS;   /* how often somebody may still be woken for no reason */
byte arrived;               /* in all runs; or tasks taken */
byte left;                  /* workers that have returned */

#define FUTEX_WAKE(w) d_step { ax = PARKED + w; c_code { call_kernel(ME, now.ax); }; ax = 0; asleep[w] = false }

/* hl__wake_in_pool for each pool in turn, for workers w to end_w - 1, n of them at most: one step, one operation. */
inline wake() {
    do
    :: atomic { step == 0 && (w >= end_w || n == 0) -> w = 0; end_w = 0; break }
    :: atomic {
        step == 0 && w < end_w && n > 0 ->
        LOAD(wake_pool_count, POOL_N_PARKED + NODE(w), v);
        if
        :: v == 0 -> w = (NODE(w) < NODE(N_WORKERS) -> N_WORKERS : N_WORKERS + 1) /* the next pool */
        :: else -> v = 0; step = 1
        fi
       }
    :: atomic {
        step == 1 ->
        LOAD(wake_look, PARKED + w, v);
        if
        :: v == 0 -> w++; step = 0
        :: else -> step = 2
        fi
       }
    :: atomic {
        step == 2 ->
        if
        :: IS(drop_claim_parked) -> ok = true; STORE(always_relaxed, PARKED + w, 0)
        :: else -> EXCHANGE(claim_parked, PARKED + w, v, 0, ok)
        fi;
        CHECK_COUNTERS;
        if
        :: ok -> step = 3
        :: else -> w++; step = 0
        fi;
        ok = false;
        v = 0
       }
    :: atomic {
        step == 3 -> ADD(claim_pool_count, POOL_N_PARKED + NODE(w), -1, v); v = 0; CHECK_COUNTERS; step = 4
       }
    :: atomic { step == 4 -> ADD(claim_count, N_PARKED, -1, v); v = 0; CHECK_COUNTERS; step = 5 }
    :: atomic {
        step == 5 ->
        if
        :: IS(drop_wake_futex)
        :: else -> FUTEX_WAKE(w)
        fi;
        w++;
        n--;
        step = 0
       }
    od
}

inline stop_team() {
    atomic {
        if
        :: IS(swap_stop_set_wake)
        :: else -> STORE(stop_set, STOPPING, 1)
        fi;
        n = N_WORKERS; w = (IS(drop_stop_wake) -> N_WORKERS + 1 : 1); end_w = N_WORKERS + 1
    }
    wake();
    if
    :: IS(swap_stop_set_wake) -> STORE(stop_set, STOPPING, 1)
    :: else
    fi;
    (left == N_WORKERS);
    assert(c_expr { counters_zero () });
    LEAVE
}

#if defined(PUSHES)
/* release, then wake_for, of the worker that pushes: BATCH tasks at a time. */
proctype waker() {
    byte i, w, v, n, end_w, step;
    bool ok;
    do
    :: i < N_PUSHED ->
        n = 0;
        do
        :: n < BATCH -> atomic { i++; n++; STORE(push_publish, BOTTOM, i) }
        :: else -> break
        od;
        atomic {
            LOAD(flow_sleepers, N_PARKED, v);
            w = (v == 0 || IS(drop_wake_for) -> N_WORKERS + 1 : 1);
            v = 0;
            end_w = (NODE(N_WORKERS) == 1 -> N_WORKERS : N_WORKERS + 1)
        }
        if
        :: w == 1 ->
            wake();
            if
            :: n > 0 && !IS(drop_wake_anywhere) ->
                LOAD(size_top, TOP, v);
                atomic {
                    LOAD(size_bottom, BOTTOM, w);
                    w = (w >= v + 2 -> 1 : N_WORKERS + 1); v = 0; end_w = N_WORKERS + 1
                }
                wake()
            :: else
            fi
        :: else
        fi
    :: else -> break
    od;
    (left == N_WORKERS);
    assert(c_expr { counters_zero () });
    LEAVE
}
#elif defined(INBOX)
/* send_home, several times. */
proctype waker() {
    byte i, w, v, n, end_w, step;
    bool ok;
    do
    :: i < N_PUSHED ->
        atomic { i++; ADD(put_place, BOTTOM, 1, v); v = 0 }
        atomic {
            LOAD(home_sleepers, N_PARKED, v);
            w = (v == 0 || IS(drop_send_home_wake) -> N_WORKERS + 1 : N_WORKERS);
            v = 0; n = 1; end_w = N_WORKERS + 1
        }
        if
        :: w == N_WORKERS ->
            wake();
            if
            :: n > 0 && !IS(drop_wake_anywhere) ->
                LOAD(inbox_head, TOP, v);
                atomic {
                    LOAD(inbox_tail, BOTTOM, w);
                    w = (w >= v + 2 -> N_WORKERS : N_WORKERS + 1); v = 0; end_w = N_WORKERS + 1
                }
                if
                :: w == N_WORKERS -> wake(); w = 1; end_w = N_WORKERS; wake() /* the home's workers first */
                :: else
                fi
            :: else
            fi
        :: else
        fi
    :: else -> break
    od;
    (left == N_WORKERS);
    assert(c_expr { counters_zero () });
    LEAVE
}
#else
/* A caller of runs. */
inline publish() {
#if defined(ROOTS) || defined(LEVELS)
    STORE(SUBMIT, ROOTS_LEFT, N_WORKERS)
#else
    ADD(serial_submit, RUN, 1, v); v = 0
#endif
}

proctype waker() {
    byte round, w, v, n, end_w, step;
    bool ok;
    do
    :: round < N_RUNS ->
        atomic {
            if
            :: IS(swap_publish_wake)
            :: else -> publish()
            fi;
            n = N_WORKERS; w = (IS(drop_submit_wake) -> N_WORKERS + 1 : 1); end_w = N_WORKERS + 1
        }
        wake();
        if
        :: IS(swap_publish_wake) -> atomic { publish() }
        :: else
        fi;
        atomic { (arrived == N_WORKERS * (round + 1)) -> c_code { acquire_object(ME, 0); }; n = 0; round++ }
    :: else -> break
    od;
    stop_team()
}
#endif

/* policy->loop */
#if defined(PUSHES) || defined(INBOX)
#ifdef PUSHES
#define CLAIM always_seq_cst
#define LOAD_TOP LOAD(always_seq_cst, TOP, v)
#define LOAD_BOTTOM LOAD(always_seq_cst, BOTTOM, size)
#else
#define CLAIM take_claim
#define LOAD_TOP LOAD(take_head, TOP, v)
#define LOAD_BOTTOM LOAD(take_tail, BOTTOM, size)
#endif
inline work() {
    do
    :: atomic { LOAD_TOP }
       atomic {
        LOAD_BOTTOM;
        if
        :: size < v + LEAST(me) -> size = 0; v = 0; break
        :: else -> size = 0
        fi
       }
       atomic {
        EXCHANGE(CLAIM, TOP, v, v + 1, ok);
        v = 0;
        if
        :: ok -> ok = false; arrived++; c_code { release_object(ME, 0); }
        :: else -> break
        fi
       }
       atomic { (arrived >= N_WORKERS) -> goto leave } /* the task lasts until the others have theirs */
    od
}
#elif defined(ROOTS) || defined(LEVELS)
inline work() {
    do
    :: atomic {
        LOAD(GUESS, ROOTS_LEFT, v);
        if
        :: v == 0 -> break
        :: else
        fi
       }
       atomic {
        EXCHANGE(CLAIM, ROOTS_LEFT, v, v - 1, ok);
        v = 0;
        if
        :: ok ->
            ok = false; arrived++; run_seen++;
            c_code { acquire_object(ME, 0); release_object(ME, 0); }
        :: else -> goto again
        fi
       }
       (arrived >= N_WORKERS * run_seen);
again:
       skip
    od
}
#else
inline work() {
    atomic {
        LOAD(serial_ready, RUN, v);
        if
        :: v != run_seen ->
            run_seen++; assert(v == run_seen); arrived++;
            c_code { acquire_object(ME, 0); release_object(ME, 0); }
        :: else
        fi;
        v = 0
    }
}
#endif

inline announce() {
    atomic { STORE(park_announce, PARKED + me, 1); CHECK_COUNTERS }
}

inline look() {
    atomic {
        LOAD(reason_stopping, STOPPING, v);
        found = v && !IS(drop_reason_stopping);
        v = 0
    }
    if
    :: found
    :: else ->
#if defined(PUSHES)
        atomic {
            if
            :: LOAD(size_top, TOP, v)
            :: c_expr { order[size_top] == RELAXED } -> LOAD(size_bottom, BOTTOM, size) /* top may come late */
            fi
        }
        atomic {
            if
            :: size == 0 -> LOAD(size_bottom, BOTTOM, size)
            :: else -> LOAD(size_top, TOP, v)
            fi;
            found = (size >= v + LEAST(me)); size = 0; v = 0
        }
#elif defined(INBOX)
        atomic {
            if
            :: LOAD(inbox_head, TOP, v)
            :: c_expr { order[inbox_head] == RELAXED } -> LOAD(inbox_tail, BOTTOM, size) /* head may come late */
            fi
        }
        atomic {
            if
            :: size == 0 -> LOAD(inbox_tail, BOTTOM, size)
            :: else -> LOAD(inbox_head, TOP, v)
            fi;
            found = (size >= v + LEAST(me) && size >= v); size = 0; v = 0
        }
#elif defined(ROOTS) || defined(LEVELS)
        atomic { LOAD(READY, ROOTS_LEFT, v); found = (v > 0); v = 0 }
#else
        atomic { LOAD(serial_ready, RUN, v); found = (v != run_seen); v = 0 }
#endif
    fi
}

proctype worker() {
    byte me = _pid - 1, v, size, run_seen;
    bool ok, found;
    do
    :: atomic {
        LOAD(main_stopping, STOPPING, v);
        if
        :: v == 1 -> v = 0; break
        :: else
        fi
       }
       work();
       if
       :: IS(swap_last_look_announce) -> look()
       :: else
       fi;
       if
       :: IS(swap_park_announce_counts) -> announce()
       :: else
       fi;
       atomic { ADD(park_pool_count, POOL_N_PARKED + NODE(me), 1, v); v = 0; CHECK_COUNTERS }
       atomic { ADD(park_count, N_PARKED, 1, v); v = 0; CHECK_COUNTERS }
       if
       :: !IS(swap_park_announce_counts) -> announce()
       :: else
       fi;
       if
       :: !IS(swap_last_look_announce) && !IS(drop_last_look) -> look()
       :: else
       fi;
       if
       :: found && IS(drop_take_back) -> found = false; goto next
       :: found && !IS(drop_take_back) ->
           atomic {
            v = 1; EXCHANGE(claim_parked, PARKED + me, v, 0, ok); v = 0; found = false;
            CHECK_COUNTERS
           }
           if
           :: ok ->
               atomic { ADD(claim_pool_count, POOL_N_PARKED + NODE(me), -1, v); v = 0; CHECK_COUNTERS }
               atomic { ADD(claim_count, N_PARKED, -1, v); v = 0; ok = false; CHECK_COUNTERS; goto next }
           :: else
           fi
       :: else
       fi;
       do
       :: atomic {
           LOAD(park_wait, PARKED + me, v);
           if
           :: v == 0 -> break
           :: else -> v = 0
           fi
          }
          atomic {
           ax = PARKED + me; c_code { call_kernel(ME, now.ax); };
           LOAD(always_relaxed, PARKED + me, v);
           asleep[me] = (v == 1);
           v = 0
          }
          if
          :: !asleep[me]
          :: atomic { asleep[me] && spurious > 0 -> spurious--; asleep[me] = false }
          fi;
#if SPURIOUS > 0
          if
          :: IS(drop_park_again) -> break
          :: else
          fi
#endif
       od;
next:
       skip
    od;
leave:
    atomic { LEAVE; left++ }
}

init {
    READ_SWITCHES;
    atomic {
        run waker();
        run worker();
#if N_WORKERS > 1
        run worker();
#endif
#if N_WORKERS > 2
        run worker();
#endif
        START_HARDWARE
    }
}
