/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/policy_levels.c and run.c: the barrier between levels, and runs one behind the other. A caller makes two runs
 * of two levels of two tasks; two workers. Each task runs exactly once a run, and sees the results of all tasks of the
 * level before; nobody waits for ever; the end is told once, when everything has been done, and the caller sees it all.
 * Between runs nobody sleeps (parking.pml); at the barrier they do. A worker looks once at the epoch, or not at all,
 * before it sleeps at the barrier, instead of SPIN_PAUSES times. */
#ifndef N_WORKERS
#define N_WORKERS 2
#endif
#ifndef N_RUNS
#define N_RUNS 2
#endif
#define N_PROCS (N_WORKERS + 1)
#define N_OBJECTS 0
#define HISTORY 10
#define DONE 0
#define RUN 1
#define CURSOR 2
#define EPOCH 3
#define N_SLEEPING 4
#define N_ARRIVED 5
#define N_VARS 6
/* plain memory: the results of the tasks; the graph; what worker w has taken from the cursor */
#define RESULT 0
#define GRAPH 4
#define TOOK 5
/* where two processes store to one variable: each must know the store before, so that memory has them in this order */
#define SET_CURSOR 8
#define SET_N_ARRIVED 9
#define SET_EPOCH 10
#define SET_DONE 11

#define SWITCHES \
    SWITCH(run_reset, RELAXED) SWITCH(run_wait, ACQUIRE) \
    SWITCH(run_done, RELEASE) SWITCH(levels_cursor, RELAXED) \
    SWITCH(levels_arrived, RELAXED) SWITCH(levels_submit, SEQ_CST) SWITCH(levels_ready, SEQ_CST) \
    SWITCH(levels_arrive, ACQ_REL) SWITCH(levels_epoch, RELAXED) SWITCH(levels_next, RELAXED) \
    SWITCH(levels_rearm, RELAXED) SWITCH(levels_pass, SEQ_CST) SWITCH(levels_sleepers, SEQ_CST) \
    SWITCH(levels_spin, ACQUIRE) SWITCH(levels_doze, SEQ_CST) \
    SWITCH(levels_sleep, SEQ_CST) SWITCH(levels_woken, RELAXED) \
    SWITCH(levels_take, RELAXED) \
    SWITCH(drop_levels_futex, OFF) SWITCH(drop_levels_rearm, OFF) SWITCH(drop_levels_next, OFF) \
    SWITCH(drop_levels_arrived, OFF) SWITCH(drop_levels_cursor, OFF) SWITCH(drop_meet, OFF) \
    SWITCH(swap_levels_next_pass, OFF) SWITCH(swap_levels_rearm_pass, OFF) SWITCH(swap_levels_epoch_arrive, OFF) \
    SWITCH(swap_levels_doze_sleep, OFF) SWITCH(swap_levels_sleepers_pass, OFF)
#define LOADS(p, x) \
    (x == DONE ? (p == 0 ? ANY_ORDER : NEVER) : x == RUN ? (p == 0 ? NEVER : LOADS_BY(levels_ready)) : \
     x == EPOCH ? (p == 0 ? NEVER : ANY_ORDER) : \
     x == N_SLEEPING ? (p == 0 ? NEVER : LOADS_BY(levels_sleepers)) : NEVER)
#include "memory.pml"

byte times[4]; /* that each task has run in this run */
byte told;     /* how often the end was */
bool asleep[N_WORKERS + 1], stopping;

#define SET(s, x, cell, v) WRITE_PLAIN(cell); STORE(s, x, v)

proctype caller() {
    byte round, v;
    do
    :: round < N_RUNS ->
        atomic { WRITE_PLAIN(GRAPH); SET(run_reset, DONE, SET_DONE, 0) }
        atomic {
            if
            :: !IS(drop_levels_cursor) ->
                for (v : 0 .. N_WORKERS - 1) { READ_PLAIN(TOOK + v) }
                v = 0;
                SET(levels_cursor, CURSOR, SET_CURSOR, 0)
            :: else
            fi
        }
        atomic {
            if
            :: !IS(drop_levels_arrived) -> SET(levels_arrived, N_ARRIVED, SET_N_ARRIVED, 0)
            :: else
            fi
        }
        atomic { ADD(levels_submit, RUN, 1, v); v = 0 }
        do
        :: atomic {
            LOAD(run_wait, DONE, v);
            if
            :: v == 1 -> break
            :: else
            fi
           }
           atomic {
            c_code { call_kernel(ME, DONE); };
            LOAD(always_relaxed, DONE, v);
            asleep[0] = (v == 0)
           }
           !asleep[0]
        od;
        atomic {
            for (v : 0 .. 3) { assert(times[v] == 1); READ_PLAIN(RESULT + v); times[v] = 0 }
            v = 0;
            assert(told == 1);
            told = 0;
            WRITE_PLAIN(GRAPH);
            round++
        }
    :: else -> break
    od;
    atomic { stopping = true; LEAVE }
}

/* Leaves in ok whether it is the last. */
inline arrive() {
    atomic {
        READ_PLAIN(SET_N_ARRIVED);
        ADD(levels_arrive, N_ARRIVED, 1, v);
        ok = (v + 1 == N_WORKERS);
        v = 0
    }
}

inline set_cursor() {
    atomic {
        if
        :: !IS(drop_levels_next) ->
            for (v : 0 .. N_WORKERS - 1) { READ_PLAIN(TOOK + v) }
            v = 0;
            SET(levels_next, CURSOR, SET_CURSOR, 2)
        :: else
        fi
    }
}

inline set_n_arrived() {
    atomic {
        if
        :: !IS(drop_levels_rearm) -> SET(levels_rearm, N_ARRIVED, SET_N_ARRIVED, 0)
        :: else
        fi
    }
}

inline load_n_sleeping() {
    atomic { LOAD(levels_sleepers, N_SLEEPING, v); n = v; v = 0 }
}

inline meet() {
    if
    :: IS(swap_levels_epoch_arrive) -> arrive(); LOAD(levels_epoch, EPOCH, epoch)
    :: else -> LOAD(levels_epoch, EPOCH, epoch); arrive()
    fi;
    if
    :: ok ->
        ok = false;
        if
        :: !IS(swap_levels_next_pass) -> set_cursor()
        :: else
        fi;
        if
        :: !IS(swap_levels_rearm_pass) -> set_n_arrived()
        :: else
        fi;
        if
        :: IS(swap_levels_sleepers_pass) -> load_n_sleeping()
        :: else
        fi;
        atomic { SET(levels_pass, EPOCH, SET_EPOCH, epoch + 1) }
        if
        :: IS(swap_levels_next_pass) -> set_cursor()
        :: IS(swap_levels_rearm_pass) -> set_n_arrived()
        :: else
        fi;
        if
        :: !IS(swap_levels_sleepers_pass) -> load_n_sleeping()
        :: else
        fi;
        if
        :: n > 0 && !IS(drop_levels_futex) ->
            atomic {
                c_code { call_kernel(ME, EPOCH); };
                for (v : 1 .. N_WORKERS) { asleep[v] = false }
                v = 0
            }
        :: else
        fi;
        n = 0
    :: else ->
        if
        :: atomic { LOAD(levels_spin, EPOCH, v); ok = (v != epoch); v = 0 }
        :: true
        fi;
        if
        :: ok
        :: else ->
            if
            :: !IS(swap_levels_doze_sleep) -> atomic { ADD(levels_doze, N_SLEEPING, 1, v); v = 0 }
            :: else
            fi;
            do
            :: atomic {
                LOAD(levels_sleep, EPOCH, v);
                if
                :: v != epoch -> v = 0; break
                :: else -> v = 0
                fi
               }
               if
               :: IS(swap_levels_doze_sleep) -> atomic { ADD(levels_doze, N_SLEEPING, 1, v); v = 0 }
               :: else
               fi;
               atomic {
                c_code { call_kernel(ME, EPOCH); };
                LOAD(always_relaxed, EPOCH, v);
                asleep[me] = (v == epoch);
                v = 0
               }
               !asleep[me]
            od;
            atomic { ADD(levels_woken, N_SLEEPING, -1, v); v = 0 }
        fi;
        ok = false
    fi;
    epoch = 0
}

/* Tasks level * 2 and the one behind it. */
inline run_level() {
    do
    :: atomic {
        READ_PLAIN(SET_CURSOR);
        ax = TOOK + me - 1; c_code { put_plain(ME, now.ax); }; ax = 0;
        ADD(levels_take, CURSOR, 1, first);
        if
        :: first >= 2 * level + 2 -> first = 0; break
        :: else
        fi
       }
       atomic {
        READ_PLAIN(GRAPH);
        assert(times[first] == 0);
        times[first]++;
        if
        :: level == 1 -> READ_PLAIN(RESULT); READ_PLAIN(RESULT + 1)
        :: else
        fi;
        WRITE_PLAIN(RESULT + first);
        first = 0
       }
    od
}

proctype worker() {
    byte me = _pid - 1, run_seen, level, epoch, first, n, v;
    bool ok;
    do
    :: stopping -> break
    :: c_expr { last (RUN) } != run_seen -> /* else it would sleep */
        atomic {
            LOAD(levels_ready, RUN, v);
            if
            :: v != run_seen -> run_seen++; ok = true
            :: else
            fi;
            v = 0
        }
        if
        :: ok ->
            ok = false;
            atomic { READ_PLAIN(GRAPH); level = 0 }
            run_level();
            if
            :: IS(drop_meet)
            :: else -> meet()
            fi;
            level = 1;
            run_level();
            level = 0;
            arrive();
            if
            :: ok ->
                ok = false;
                atomic { told++; SET(run_done, DONE, SET_DONE, 1) }
                atomic { c_code { call_kernel(ME, DONE); }; asleep[0] = false }
            :: else
            fi
        :: else
        fi
    od;
    LEAVE
}

init {
    READ_SWITCHES;
    atomic {
        run caller();
        run worker();
        run worker();
#if N_WORKERS > 2
        run worker();
#endif
    }
}
