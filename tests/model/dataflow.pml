/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/policy_dataflow.c and run.c: the counters of a run. A caller makes N_RUNS runs, each straight behind the one
 * before, so that a worker may still be looking for tasks of the earlier one; two workers. Each task runs exactly once
 * a run and only behind its predecessors, whose results it sees; the end is told once, when everything has been done,
 * and the caller sees it all; from then on the graph is the caller's, who changes it, and no worker looks at it unless
 * it has a task of the next run.
 *
 * As built: 0 releases 1 and 2, both release 3; -DTWO_ROOTS: 0 and 1 release 2; -DMIXED: first these, then those.
 * The deques are sets that are taken from in one step and order what deque.c orders (deque.pml). Nobody sleeps
 * (parking.pml): a worker that finds nothing waits until there is something, wherever that shows. */
#ifndef N_RUNS
#define N_RUNS 2
#endif
#define N_PROCS 3
#define N_OBJECTS 2
#define HISTORY 10
#define DONE 0
#define N_UNFINISHED 1
#define ROOTS_LEFT 2
#define PENDING 3 /* of the task with two predecessors, in each graph */
#define N_VARS 5
/* plain memory: the results of the tasks; the graph; that worker w has looked at the graph */
#define RESULT 0
#define GRAPH 4
#define LOOKED 5
/* where two processes store to one variable: each must know the store before, so that memory has them in this order */
#define SET_N_UNFINISHED 7
#define SET_PENDING 8
#define SET_DONE 10

/* The two graphs. */
#ifdef TWO_ROOTS
#define GRAPH_OF(round) 1
#elif defined(MIXED)
#define GRAPH_OF(round) ((round) % 2)
#else
#define GRAPH_OF(round) 0
#endif
#define N_TASKS(g) (4 - (g))
#define N_ROOTS(g) (1 + (g))
#define N_SUCCESSORS(g, t) ((t) == N_TASKS(g) - 1 -> 0 : ((g) == 0 && (t) == 0 -> 2 : 1))
#define SUCCESSOR(g, t, i) ((g) == 0 && (t) == 0 -> 1 + (i) : N_TASKS(g) - 1)
#define JOINS(g, t) ((t) == N_TASKS(g) - 1) /* has two predecessors */

#define SWITCHES \
    SWITCH(run_reset, RELAXED) SWITCH(run_wait, ACQUIRE) \
    SWITCH(run_done, RELEASE) SWITCH(flow_unfinished, RELAXED) \
    SWITCH(flow_submit, SEQ_CST) SWITCH(root_guess, RELAXED) \
    SWITCH(root_claim, ACQ_REL) SWITCH(flow_finished, ACQ_REL) \
    SWITCH(release_peek, ACQUIRE) SWITCH(release_count, ACQ_REL) \
    SWITCH(release_reset, RELAXED) \
    SWITCH(drop_release_reset, OFF) SWITCH(drop_release_count, OFF) \
    SWITCH(drop_release_peek, OFF) \
    SWITCH(drop_root_claim, OFF) SWITCH(drop_flow_finished, OFF) \
    SWITCH(drop_run_futex, OFF) \
    SWITCH(swap_flow_unfinished_submit, OFF) SWITCH(swap_run_reset_submit, OFF) \
    SWITCH(swap_graph_root_claim, OFF) SWITCH(swap_release_flow_finished, OFF)
#define LOADS(p, x) (x == N_UNFINISHED || (x == DONE) != (p == 0) ? NEVER : ANY_ORDER)
#include "memory.pml"

#define NO_TASK 255

byte graph;         /* runtime->graph: which of the two */
byte run_on;        /* number of the run; 0: none is on */
byte times[4];      /* that each task has run in this run */
byte told;          /* how often the end was */
byte deque[2];      /* of each worker: one bit a task */
bool asleep, stopping;

/* Looks at what only the caller changes, and leaves word that it has. */
#define LOOK_AT_GRAPH LOOK_AT(GRAPH)
#define LOOK_AT(c) READ_PLAIN(c); d_step { ax = LOOKED + me; c_code { put_plain(ME, now.ax); }; ax = 0 }

inline set_unfinished() {
    WRITE_PLAIN(SET_N_UNFINISHED);
    STORE(flow_unfinished, N_UNFINISHED, N_TASKS(graph))
}

proctype caller() {
    byte round = 1, v;
    do
    :: round <= N_RUNS ->
        atomic {
            /* The graph is ours: nobody looks at it any more. */
            READ_PLAIN(LOOKED); READ_PLAIN(LOOKED + 1); WRITE_PLAIN(GRAPH);
            graph = GRAPH_OF(round); run_on = round;
            if
            :: !IS(swap_run_reset_submit) -> WRITE_PLAIN(SET_DONE); STORE(run_reset, DONE, 0)
            :: else
            fi
        }
        atomic {
            if
            :: !IS(swap_flow_unfinished_submit) -> set_unfinished()
            :: else -> STORE(flow_submit, ROOTS_LEFT, N_ROOTS(graph))
            fi
        }
        atomic {
            if
            :: IS(swap_flow_unfinished_submit) -> set_unfinished()
            :: else -> STORE(flow_submit, ROOTS_LEFT, N_ROOTS(graph))
            fi
        }
        if
        :: IS(swap_run_reset_submit) -> atomic { WRITE_PLAIN(SET_DONE); STORE(run_reset, DONE, 0) }
        :: else
        fi;
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
            v = 0;
            do
            :: v < N_TASKS(graph) -> assert(times[v] == 1); READ_PLAIN(RESULT + v); times[v] = 0; v++
            :: else -> break
            od;
            assert(told == 1);
            told = 0; v = 0; run_on = 0;
            READ_PLAIN(LOOKED); READ_PLAIN(LOOKED + 1); WRITE_PLAIN(GRAPH);
            round++
        }
    :: else -> break
    od;
    atomic { stopping = true; LEAVE }
}

/* Leaves NO_TASK in task where there is none. */
inline take_any_root() {
    do
    :: atomic {
        LOAD(root_guess, ROOTS_LEFT, left);
        g = graph;
        if
        :: left == 0 -> g = 0; break
        :: left > 0 && IS(swap_graph_root_claim) -> LOOK_AT_GRAPH
        :: else
        fi
       }
       atomic {
        if
        :: IS(drop_root_claim) -> STORE(root_claim, ROOTS_LEFT, left - 1); ok = true
        :: else -> EXCHANGE(root_claim, ROOTS_LEFT, left, left - 1, ok)
        fi;
        if
        :: ok ->
            ok = false;
            if
            :: !IS(swap_graph_root_claim) -> LOOK_AT_GRAPH; g = graph
            :: else
            fi;
            task = N_ROOTS(g) - left;
            break
        :: else -> left = 0
        fi
       }
    od;
    left = 0
}

inline take_from(d) {
    if
    :: deque[d] & 1 -> task = 0
    :: !(deque[d] & 1) && deque[d] & 2 -> task = 1
    :: !(deque[d] & 3) && deque[d] & 4 -> task = 2
    :: !(deque[d] & 7) && deque[d] & 8 -> task = 3
    :: else
    fi;
    if
    :: task != NO_TASK -> deque[d] = deque[d] & ~(1 << task)
    :: else
    fi
}

inline steal() {
    atomic {
        take_from(1 - me);
        if
        :: task != NO_TASK -> c_code { acquire_object(ME, 2 - ME); }
        :: else
        fi
    }
}

inline count_finished() {
    if
    :: n_finished > 0 ->
        atomic {
            LOOK_AT(SET_N_UNFINISHED);
            ADD(flow_finished, N_UNFINISHED, -n_finished, v);
            assert(v >= n_finished);
            ok = (v == n_finished);
            n_finished = 0; v = 0
        }
        if
        :: ok ->
            atomic { ok = false; told++; WRITE_PLAIN(SET_DONE); STORE(run_done, DONE, 1) }
            atomic {
                if
                :: IS(drop_run_futex)
                :: else -> c_code { call_kernel(ME, DONE); }; asleep = false
                fi
            }
        :: else
        fi
    :: else
    fi
}

/* Releases the successor numbered by v. */
inline release_one() {
    if
    :: !JOINS(g, after) -> ok = true
    :: else ->
        atomic {
            READ_PLAIN(SET_PENDING + g);
            LOAD(release_peek, PENDING + g, v);
            ok = (v == 1 && !IS(drop_release_peek));
            v = 0
        }
        if
        :: !ok ->
            atomic {
                if
                :: IS(drop_release_count) ->
                    LOAD(always_relaxed, PENDING + g, v); STORE(always_relaxed, PENDING + g, v - 1)
                :: else -> ADD(release_count, PENDING + g, -1, v)
                fi;
                assert(v >= 1);
                ok = (v == 1);
                v = 0
            }
        :: else
        fi;
        if
        :: ok && !IS(drop_release_reset) ->
            atomic { WRITE_PLAIN(SET_PENDING + g); STORE(release_reset, PENDING + g, 2) }
        :: else
        fi
    fi
}

proctype worker() {
    byte me = _pid - 2, task = NO_TASK, next = NO_TASK, after, i, g, left, v, n_finished;
    bool ok;
    do
    :: /* find */
       atomic { take_from(me) }
       if
       :: task == NO_TASK -> take_any_root()
       :: else
       fi;
       if
       :: task == NO_TASK -> steal()
       :: task == NO_TASK
       :: else
       fi;
       if
       :: task == NO_TASK && !IS(drop_flow_finished) ->
           count_finished();
           if
           :: steal()
           :: true
           fi
       :: else
       fi;
       if
       :: task == NO_TASK -> /* idle */
           if
           :: stopping -> break
           :: c_expr { last (ROOTS_LEFT) > 0 } || deque[0] != 0 || deque[1] != 0
           fi
       :: else
       fi;
       /* work */
       do
       :: task != NO_TASK ->
           atomic {
            LOOK_AT_GRAPH;
            g = graph;
            assert(run_on != 0 && times[task] == 0);
            times[task]++;
            if
            :: g == 0 && (task == 1 || task == 2) -> READ_PLAIN(RESULT)
            :: g == 0 && task == 3 -> READ_PLAIN(RESULT + 1); READ_PLAIN(RESULT + 2)
            :: g == 1 && task == 2 -> READ_PLAIN(RESULT); READ_PLAIN(RESULT + 1)
            :: else
            fi;
            WRITE_PLAIN(RESULT + task);
            n_finished++
           }
           if
           :: IS(swap_release_flow_finished) -> count_finished()
           :: else
           fi;
           do
           :: i < N_SUCCESSORS(g, task) ->
               after = SUCCESSOR(g, task, i);
               release_one();
               atomic {
                LOOK_AT_GRAPH;
                if
                :: ok && next == NO_TASK -> next = after
                :: ok && next != NO_TASK -> deque[me] = deque[me] | (1 << after); c_code { release_object(ME, ME - 1); }
                :: else
                fi;
                ok = false; after = 0;
                i++
               }
           :: else -> break
           od;
           atomic { LOOK_AT_GRAPH; task = next; next = NO_TASK; i = 0; g = 0 }
       :: else -> break
       od
    od;
    LEAVE
}

init {
    READ_SWITCHES;
    atomic {
        INITIALISE(PENDING, 2);
        INITIALISE(PENDING + 1, 2);
        run caller();
        run worker();
        run worker()
    }
}
