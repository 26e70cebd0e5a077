/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/deque.c: one owner, two thieves. The owner pushes N_TASKS numbers and pops, in any order, into a ring of two
 * slots, so that slots are used again; the thieves steal as often as they like. Each number is taken exactly once, and
 * the slot that is read holds what was pushed at its index. With -DGROW the first ring has one slot and the owner gives
 * the deque the second one when it finds it empty; thieves may hold the old one. */
#ifndef N_TASKS
#define N_TASKS 3
#endif
#ifdef GROW
#define N_PROCS 2
#else
#define N_PROCS 3
#endif
#define N_OBJECTS 0
#define HISTORY 12
#define TOP 0
#define BOTTOM 1
#ifdef GROW
#define RING 2 /* 0: the first ring, 1: the second */
#define SLOT 3 /* one of the first ring, two of the second */
#define N_VARS 6
#else
#define SLOT 2
#define N_VARS 4
#endif

#define SWITCHES \
    SWITCH(push_slot, RELAXED) SWITCH(push_publish, SEQ_CST) \
    SWITCH(pop_lower, SEQ_CST) SWITCH(pop_top, SEQ_CST) SWITCH(pop_claim, SEQ_CST) \
    SWITCH(steal_top, SEQ_CST) SWITCH(steal_bottom, SEQ_CST) SWITCH(steal_ring, ACQUIRE) \
    SWITCH(steal_claim, SEQ_CST) SWITCH(install_ring, RELEASE) \
    SWITCH(pop_restore, RELAXED) SWITCH(pop_peek, RELAXED) \
    SWITCH(pop_slot, RELAXED) SWITCH(steal_slot, RELAXED) \
    SWITCH(drop_pop_lower, OFF) SWITCH(drop_pop_claim, OFF) SWITCH(drop_pop_restore, OFF) \
    SWITCH(drop_steal_claim, OFF) SWITCH(swap_push_slot_publish, OFF) SWITCH(swap_pop_lower_top, OFF) \
    SWITCH(swap_steal_top_bottom, OFF) SWITCH(swap_steal_slot_claim, OFF)
#define LOADS(p, x) (x == BOTTOM ? (p == 0 ? NEVER : LOADS_BY(steal_bottom)) : ANY_ORDER)
#include "memory.pml"

byte pushed, taken; /* how many */
byte pushed_at[N_TASKS + 2]; /* by index: what was pushed there last */
bool gone[N_TASKS + 1];

#define TAKE(index, n) \
    assert(n != 0 && n == pushed_at[index]); \
    assert(!gone[n]); \
    gone[n] = true; \
    taken++

#ifdef GROW
#define MASK(ring) ring /* capacity - 1: 0, then 1 */
#define SLOT_OF(ring, index) (SLOT + ring + ((index) & MASK(ring)))
#else
#define MASK(ring) 1
#define SLOT_OF(ring, index) (SLOT + ((index) & 1))
#endif

proctype owner() {
    byte bottom = 1, top, number, ring;
    bool ok;
    do
    :: atomic {
        pushed < N_TASKS && pushed - taken <= MASK(ring) ->
        if
        :: !IS(swap_push_slot_publish) -> STORE(push_slot, SLOT_OF(ring, bottom), pushed + 1)
        :: else -> STORE(push_publish, BOTTOM, bottom + 1)
        fi
       }
       atomic {
        pushed++;
        pushed_at[bottom] = pushed;
        if
        :: !IS(swap_push_slot_publish) -> STORE(push_publish, BOTTOM, bottom + 1)
        :: else -> STORE(push_slot, SLOT_OF(ring, bottom), pushed)
        fi;
        bottom++
       }
    :: atomic {
        LOAD(pop_peek, TOP, top);
        bottom--;
        if
        :: top > bottom -> bottom++; top = 0; goto found_none
        :: else -> top = 0
        fi
       }
       atomic {
        if
        :: IS(swap_pop_lower_top) -> LOAD(pop_top, TOP, top)
        :: else ->
            if
            :: !IS(drop_pop_lower) -> STORE(pop_lower, BOTTOM, bottom)
            :: else
            fi
        fi
       }
       atomic {
        if
        :: IS(swap_pop_lower_top) -> STORE(pop_lower, BOTTOM, bottom)
        :: else -> LOAD(pop_top, TOP, top)
        fi;
        if
        :: top < bottom || (top == bottom && IS(drop_pop_claim)) ->
            LOAD(pop_slot, SLOT_OF(ring, bottom), number);
            TAKE(bottom, number);
            number = 0; top = 0;
            goto next
        :: top == bottom -> LOAD(pop_slot, SLOT_OF(ring, bottom), number)
        :: else
        fi
       }
       atomic {
        if
        :: top == bottom ->
            EXCHANGE(pop_claim, TOP, top, top + 1, ok);
            if
            :: ok -> TAKE(bottom, number)
            :: else
            fi;
            number = 0
        :: else
        fi;
        top = 0
       }
       atomic {
        if
        :: !IS(drop_pop_restore) -> bottom++; STORE(pop_restore, BOTTOM, bottom)
        :: else
        fi;
        if
        :: ok -> ok = false; goto next
        :: else -> goto found_none
        fi
       }
found_none:
       atomic {
        if
        :: pushed == N_TASKS -> break
        :: else
        fi;
#ifdef GROW
        if
        :: ring == 0 -> ring = 1; WRITE_PLAIN(0); STORE(install_ring, RING, 1)
        :: else
        fi;
#endif
       }
next:
       skip
    od;
    assert(taken == pushed);
    LEAVE
}

proctype thief() {
    byte bottom, top, number, ring, old;
    bool ok, late;
end:
    do
    :: atomic {
        if
        :: !IS(swap_steal_top_bottom) -> LOAD(steal_top, TOP, top)
        :: c_expr { order[swap_steal_top_bottom] || order[steal_top] == RELAXED } -> /* it may come late */
            late = true;
            LOAD(steal_bottom, BOTTOM, bottom)
        fi
       }
       atomic {
        if
        :: !late -> LOAD(steal_bottom, BOTTOM, bottom)
        :: else -> late = false; LOAD(steal_top, TOP, top)
        fi;
        if
        :: bottom <= top -> goto next
        :: else -> bottom = 0
        fi
       }
#ifdef GROW
       atomic {
        LOAD(steal_ring, RING, ring);
        if
        :: ring == 1 -> READ_PLAIN(0)
        :: else
        fi
       }
#endif
       atomic {
        if
        :: !IS(swap_steal_slot_claim) -> LOAD(steal_slot, SLOT_OF(ring, top), number)
        :: c_expr { order[swap_steal_slot_claim] || !(order[steal_claim] & RELEASE) } ->
            late = true; /* what has no release in it does not hold the load before it back from coming late */
            old = top;
            EXCHANGE(steal_claim, TOP, old, top + 1, ok);
            if
            :: ok -> old = pushed_at[top]
            :: else -> goto next
            fi
        fi
       }
       atomic {
        if
        :: late -> LOAD(steal_slot, SLOT_OF(ring, top), number); assert(number == old)
        :: else -> old = top; EXCHANGE(steal_claim, TOP, old, top + 1, ok)
        fi;
        if
        :: ok || IS(drop_steal_claim) -> TAKE(top, number)
        :: else
        fi
       }
next:
       atomic { bottom = 0; top = 0; number = 0; ring = 0; old = 0; ok = false; late = false }
    od
}

init {
    READ_SWITCHES;
    atomic {
        INITIALISE(TOP, 1);
        INITIALISE(BOTTOM, 1);
        run owner();
        run thief();
#ifndef GROW
        run thief();
#endif
        START_HARDWARE
    }
}
