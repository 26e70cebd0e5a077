/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/cancel.c: a caller makes two runs of four tasks, two of which write state in the first run; two workers, two
 * who cancel, once each and at any moment. No run both writes state and passes tasks over; what closing it says is what
 * has happened to it, and says so of each cancelling exchange that succeeded.
 * The policy's part, publishing the run and counting its end, is one release and one acquire each. */
#define N_PROCS 5
#define N_OBJECTS 0
#define HISTORY 10
#define OUTCOME 0
#define STARTED 1 /* number of the run that was published */
#define FINISHED 2
#define N_VARS 3
#define NO_RUN 0
#define RUN_OPEN 1
#define RUN_COMMITTED 2
#define RUN_CANCELLED 3

#define SWITCHES \
    SWITCH(open_outcome, RELAXED) SWITCH(admits_outcome, RELAXED) SWITCH(cancelled_outcome, RELAXED) \
    SWITCH(decide_outcome, RELAXED) SWITCH(close_outcome, RELAXED) \
    SWITCH(drop_decide_outcome, OFF) SWITCH(drop_close_outcome, OFF) SWITCH(drop_commit, OFF) \
    SWITCH(swap_open_publish, OFF)
#define LOADS(p, x) (x == FINISHED && p > 0 || x == STARTED && (p == 0 || p > 2) ? NEVER : ANY_ORDER)
#include "memory.pml"
c_code {
/* What a failed exchange has read: the store that do_miss has left the process at. */
static int missed(int p, int x) { return now.M.m[x][now.M.of[p].at[x]].value; }
}

byte wrote, passed;      /* tasks of this run: that wrote state; that were passed over */
bool cancelled_now;      /* an exchange has made this run CANCELLED */
bool ended;              /* all runs are over */

/* OPEN -> to; leaves in v what the word is then. */
inline decide(to) {
    atomic {
        if
        :: IS(drop_decide_outcome) ->
            LOAD(always_relaxed, OUTCOME, v);
            if
            :: v == RUN_OPEN -> stores = true
            :: else
            fi
        :: else ->
            v = RUN_OPEN;
            EXCHANGE(decide_outcome, OUTCOME, v, to, ok);
            if
            :: ok -> v = to
            :: else -> d_step { ax = OUTCOME; c_code { now.av = missed(ME, now.ax); }; v = av; ax = 0; av = 0 }
            fi;
            cancelled_now = cancelled_now || (ok && to == RUN_CANCELLED)
        fi;
        ok = false
    }
    if
    :: stores ->
        atomic {
            stores = false; STORE(decide_outcome, OUTCOME, to); v = to;
            cancelled_now = cancelled_now || to == RUN_CANCELLED
        }
    :: else
    fi
}

proctype caller() {
    byte round = 1, v;
    bool ok;
    do
    :: round <= 2 ->
        if
        :: !IS(swap_open_publish) -> atomic { STORE(open_outcome, OUTCOME, RUN_OPEN) }
        :: else
        fi;
        atomic {
            LOAD(cancelled_outcome, OUTCOME, v);
            if
            :: v == RUN_CANCELLED -> goto close /* it is not begun */
            :: else
            fi
        }
        atomic { STORE(always_acq_rel, STARTED, round) }
        if
        :: IS(swap_open_publish) -> atomic { STORE(open_outcome, OUTCOME, RUN_OPEN) }
        :: else
        fi;
        do
        :: atomic { c_expr { last (FINISHED) == 2 } -> LOAD(always_acq_rel, FINISHED, v) }
           if
           :: v == 2 -> break
           :: else
           fi
        od;
        atomic { STORE(always_relaxed, FINISHED, 0) }
close:
        do
        :: atomic { LOAD(close_outcome, OUTCOME, v) }
           atomic {
            if
            :: IS(drop_close_outcome) -> STORE(close_outcome, OUTCOME, NO_RUN); ok = true
            :: else -> EXCHANGE(close_outcome, OUTCOME, v, NO_RUN, ok)
            fi;
            if
            :: ok ->
                ok = false;
                assert(!(wrote > 0 && passed > 0));
                assert((v == RUN_CANCELLED) == cancelled_now);
                assert(v == RUN_CANCELLED || passed == 0);
                assert(v != RUN_CANCELLED || wrote == 0);
                wrote = 0; passed = 0; cancelled_now = false;
                break
            :: else
            fi
           }
        od;
        atomic { v = 0; round++ }
    :: else -> break
    od;
    atomic { ended = true; LEAVE }
}

inline task(writes_state) {
    atomic {
        LOAD(admits_outcome, OUTCOME, v);
        if
        :: v == RUN_CANCELLED -> passed++
        :: v == RUN_OPEN && (writes_state) && !IS(drop_commit) -> commits = true
        :: else -> wrote = wrote + (writes_state)
        fi
    }
    if
    :: commits ->
        decide(RUN_COMMITTED);
        atomic {
            commits = false;
            if
            :: v == RUN_COMMITTED -> wrote++
            :: else -> passed++
            fi
        }
    :: else
    fi;
    v = 0
}

proctype worker() {
    byte v, seen;
    bool ok, stores, commits;
    do
    :: atomic {
        c_expr { last (STARTED) } != seen ->
        LOAD(always_acq_rel, STARTED, v);
        ok = (v != seen); seen = v; v = 0
       }
       if
       :: ok -> ok = false; task(0); task(seen == 1); atomic { ADD(always_acq_rel, FINISHED, 1, v); v = 0 }
       :: else
       fi
    :: ended -> break
    od;
    LEAVE
}

proctype canceller() {
    byte v;
    bool ok, stores;
    decide(RUN_CANCELLED);
    v = 0;
    LEAVE
}

init {
    READ_SWITCHES;
    atomic {
        run caller();
        run worker();
        run worker();
        run canceller();
        run canceller()
    }
}
