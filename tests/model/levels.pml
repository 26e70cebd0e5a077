/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/policy_levels.c and run.c: levels, and runs one behind the other. A caller makes N_RUNS runs of two levels of
 * two tasks, each straight behind the one before; two workers. Each task runs exactly once a run, and sees the results
 * of all tasks of the level before; the end is told once, when everything has been done, and the caller sees it all;
 * from then on the graph is the caller's, and no worker looks at it unless it has a task of the next run.
 *
 * A chunk is one task. Nobody sleeps (parking.pml): a worker that finds nothing waits until there is something. */
#ifndef N_RUNS
#define N_RUNS 2
#endif
#define N_PROCS 3
#define N_OBJECTS 0
#define HISTORY 16
#define DONE 0
#define N_UNFINISHED 1
#define OPEN 2 /* END_OF(level) * 8 + position of the next task */
#define N_VARS 3
/* plain memory: the results of the tasks; the graph; that worker w has looked at it; levels_state.level */
#define RESULT 0
#define GRAPH 4
#define LOOKED 5
#define LEVEL 7
/* where two processes store to one variable: each must know the store before, so that memory has them in this order */
#define SET_N_UNFINISHED 8
#define SET_OPEN 9
#define SET_DONE 10

#define SWITCHES \
    SWITCH(run_reset, RELAXED) SWITCH(run_wait, ACQUIRE) SWITCH(run_done, RELEASE) \
    SWITCH(levels_unfinished, RELAXED) SWITCH(levels_open, SEQ_CST) \
    SWITCH(levels_guess, RELAXED) SWITCH(levels_claim, ACQ_REL) SWITCH(levels_finished, ACQ_REL) \
    SWITCH(drop_levels_claim, OFF) SWITCH(drop_levels_finished, OFF) SWITCH(drop_levels_unfinished, OFF) \
    SWITCH(swap_levels_unfinished_open, OFF) SWITCH(swap_graph_levels_claim, OFF)
#define LOADS(p, x) (x == N_UNFINISHED || (x == DONE) != (p == 0) ? NEVER : ANY_ORDER)
#include "memory.pml"

#define POSITION(open) ((open) % 8)
#define END_OF(open) ((open) / 8)
#define NO_TASK 255

byte run_on;   /* number of the run; 0: none is on */
byte level;    /* levels_state.level */
byte times[4]; /* that each task has run in this run */
byte told;     /* how often the end was */
bool asleep, stopping;

/* Looks at what only the caller changes, and leaves word that it has. */
#define LOOK_AT_GRAPH READ_PLAIN(GRAPH); d_step { ax = LOOKED + me; c_code { put_plain(ME, now.ax); }; ax = 0 }

inline set_unfinished() {
    atomic {
        if
        :: !IS(drop_levels_unfinished) -> WRITE_PLAIN(SET_N_UNFINISHED); STORE(levels_unfinished, N_UNFINISHED, 2)
        :: else
        fi
    }
}

inline set_open(l) {
    atomic { WRITE_PLAIN(SET_OPEN); STORE(levels_open, OPEN, (2 * (l) + 2) * 8 + 2 * (l)) }
}

inline open_level(l) {
    atomic { WRITE_PLAIN(LEVEL); level = l }
    if
    :: IS(swap_levels_unfinished_open) -> set_open(l); set_unfinished()
    :: else -> set_unfinished(); set_open(l)
    fi
}

proctype caller() {
    byte round = 1, v;
    do
    :: round <= N_RUNS ->
        atomic {
            /* The graph is ours: nobody looks at it any more. */
            READ_PLAIN(LOOKED); READ_PLAIN(LOOKED + 1); WRITE_PLAIN(GRAPH);
            run_on = round;
            WRITE_PLAIN(SET_DONE); STORE(run_reset, DONE, 0)
        }
        open_level(0);
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
            asleep = (v == 0)
           }
           !asleep
        od;
        atomic {
            for (v : 0 .. 3) { assert(times[v] == 1); READ_PLAIN(RESULT + v); times[v] = 0 }
            v = 0;
            assert(told == 1);
            told = 0; run_on = 0;
            READ_PLAIN(LOOKED); READ_PLAIN(LOOKED + 1); WRITE_PLAIN(GRAPH);
            round++
        }
    :: else -> break
    od;
    atomic { stopping = true; LEAVE }
}

/* Leaves NO_TASK in task where there is none. */
inline take_chunk() {
    do
    :: atomic {
        LOAD(levels_guess, OPEN, open);
        if
        :: POSITION(open) == END_OF(open) -> break
        :: POSITION(open) != END_OF(open) && IS(swap_graph_levels_claim) -> LOOK_AT_GRAPH
        :: else
        fi
       }
       atomic {
        if
        :: IS(drop_levels_claim) -> STORE(levels_claim, OPEN, open + 1); ok = true
        :: else -> EXCHANGE(levels_claim, OPEN, open, open + 1, ok)
        fi;
        if
        :: ok ->
            ok = false;
            task = POSITION(open);
            if
            :: !IS(drop_levels_claim) -> READ_PLAIN(SET_OPEN)
            :: else
            fi;
            if
            :: !IS(swap_graph_levels_claim) -> LOOK_AT_GRAPH
            :: else
            fi;
            break
        :: else
        fi;
        open = 0
       }
    od;
    open = 0
}

inline count_finished() {
    if
    :: n_finished > 0 ->
        atomic {
            READ_PLAIN(SET_N_UNFINISHED);
            if
            :: IS(drop_levels_finished) ->
                LOAD(always_relaxed, N_UNFINISHED, v); STORE(always_relaxed, N_UNFINISHED, v - n_finished)
            :: else -> ADD(levels_finished, N_UNFINISHED, -n_finished, v)
            fi;
            assert(v >= n_finished);
            ok = (v == n_finished);
            n_finished = 0; v = 0
        }
        if
        :: ok ->
            atomic { ok = false; LOOK_AT_GRAPH; READ_PLAIN(LEVEL); l = level }
            if
            :: l == 0 -> open_level(1)
            :: else ->
                atomic { told++; WRITE_PLAIN(SET_DONE); STORE(run_done, DONE, 1) }
                atomic { c_code { call_kernel(ME, DONE); }; asleep = false }
            fi;
            l = 0
        :: else
        fi
    :: else
    fi
}

proctype worker() {
    byte me = _pid - 2, task = NO_TASK, open, l, v, n_finished;
    bool ok;
    do
    :: count_finished();
       take_chunk();
       if
       :: task == NO_TASK -> /* idle */
           if
           :: stopping -> break
           :: c_expr { last (OPEN) % 8 != last (OPEN) / 8 }
           fi
       :: else ->
           atomic {
            assert(run_on != 0 && times[task] == 0);
            times[task]++;
            if
            :: task > 1 -> READ_PLAIN(RESULT); READ_PLAIN(RESULT + 1)
            :: else
            fi;
            WRITE_PLAIN(RESULT + task);
            n_finished++;
            task = NO_TASK
           }
       fi
    od;
    LEAVE
}

init {
    READ_SWITCHES;
    atomic {
        run caller();
        run worker();
        run worker()
    }
}
