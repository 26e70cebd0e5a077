/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runtime/inbox.c: two putters, two takers, a ring of two slots, N_TASKS numbers, so that slots are used again. Each
 * number is taken exactly once, oldest first; who takes it sees what its putter did before; what the takers leave is
 * found by who comes after all of them. With -DGROW one putter, which gives the inbox, once it is empty, a second ring;
 * the first had one slot.
 * That two stores to one slot stand in memory as in the steps holds in the runtime because they belong to two runs. */
#ifndef N_TASKS
#define N_TASKS 3
#endif
#ifdef GROW
#define N_PUTTERS 1
#else
#define N_PUTTERS 2
#endif
#define N_TAKERS 2
#define N_PROCS (N_PUTTERS + N_TAKERS + 1)
#define N_OBJECTS 1
#define HISTORY 6
#define HEAD 0
#define TAIL 1
#ifdef GROW
#define RING 2
#define SLOT 3
#define N_VARS 6
#else
#define SLOT 2
#define N_VARS 4
#endif
#define MASK_CELL 0   /* plain memory: the mask of the second ring */
#define DONE_BEFORE 0 /* of number n, from 1: + n */

#define SWITCHES \
    SWITCH(put_place, SEQ_CST) SWITCH(put_slot, RELEASE) SWITCH(take_head, RELAXED) SWITCH(take_tail, RELAXED) \
    SWITCH(take_ring, ACQUIRE) SWITCH(take_slot, ACQUIRE) SWITCH(take_claim, RELAXED) SWITCH(inbox_install, RELEASE) \
    SWITCH(drop_put_place, OFF) SWITCH(drop_take_place, OFF) SWITCH(drop_take_claim, OFF) \
    SWITCH(swap_take_slot_claim, OFF)
#define LOADS(p, x) (x == TAIL && p < N_PUTTERS || x == HEAD && p < N_PUTTERS || x >= SLOT && p < N_PUTTERS ? \
                     NEVER : ANY_ORDER)
#include "memory.pml"

byte placed, taken;   /* how many */
byte in_place[N_TASKS + 1]; /* what was put there */
byte busy = N_PUTTERS, takers = N_TAKERS; /* processes that go on */

#ifdef GROW
#define SLOT_OF(ring, place) (SLOT + ring + ((place) & ring))
#define ROOM(ring) (placed - taken <= ring)
#else
#define SLOT_OF(ring, place) (SLOT + ((place) & 1))
#define ROOM(ring) (placed - taken <= 1)
#endif

/* Place and number in one word, as in the slots. */
#define WORD(place, number) (((place) + 1) * 16 + (number))

proctype putter() {
    byte place, number, ring;
    do
    :: atomic {
        placed < N_TASKS && ROOM(ring) ->
        placed++;
        number = placed;
        WRITE_PLAIN(DONE_BEFORE + number);
        if
        :: IS(drop_put_place) -> LOAD(always_relaxed, TAIL, place); STORE(put_place, TAIL, place + 1)
        :: else -> ADD(put_place, TAIL, 1, place)
        fi;
        assert(place < N_TASKS && in_place[place] == 0);
        in_place[place] = number
       }
       atomic { STORE(put_slot, SLOT_OF(ring, place), WORD(place, number)); place = 0; number = 0 }
#ifdef GROW
    :: atomic {
        ring == 0 && placed > 0 && placed == taken -> /* all has been taken, and the run is over */
        c_code { acquire_object(ME, 0); };
        ring = 1; WRITE_PLAIN(MASK_CELL); STORE(inbox_install, RING, 1)
       }
#endif
    :: placed == N_TASKS -> break
    od;
    atomic { busy--; c_code { release_object(ME, 0); }; LEAVE }
}

/* Leaves in ok whether it has got one. */
inline take() {
    atomic { LOAD(take_head, HEAD, head) }
    atomic { LOAD(take_tail, TAIL, tail); ok = (tail > head); tail = 0 }
    if
    :: ok ->
#ifdef GROW
        atomic {
            LOAD(take_ring, RING, ring);
            if
            :: ring == 1 -> READ_PLAIN(MASK_CELL)
            :: else
            fi
        }
#endif
        atomic {
            LOAD(take_slot, SLOT_OF(ring, head), word);
            ok = (word / 16 == head + 1 || IS(drop_take_place))
        }
        if
        :: ok && IS(swap_take_slot_claim) ->
            atomic {
                old = head; EXCHANGE(take_claim, HEAD, old, head + 1, ok); old = 0
            }
            if
            :: ok -> atomic { LOAD(take_slot, SLOT_OF(ring, head), word); got() }
            :: else
            fi
        :: ok && !IS(swap_take_slot_claim) ->
            atomic {
                old = head;
                if
                :: IS(drop_take_claim) -> STORE(take_claim, HEAD, head + 1); ok = true
                :: else -> EXCHANGE(take_claim, HEAD, old, head + 1, ok)
                fi;
                old = 0;
                if
                :: ok -> got()
                :: else
                fi
            }
        :: else
        fi
    :: else
    fi;
    atomic { head = 0; word = 0; ring = 0 }
}

inline got() {
    assert(word == WORD(head, in_place[head]) && in_place[head] != 0);
    assert(taken == head); /* oldest first, and so each once */
    READ_PLAIN(DONE_BEFORE + word % 16);
    c_code { release_object(ME, 0); };
    taken++
}

proctype taker() {
    byte head, tail, word, ring, old;
    bool ok;
    do
    :: take(); ok = false
    :: atomic { busy == 0 -> takers--; c_code { release_object(ME, 0); }; LEAVE; break }
    od
}

proctype rest() {
    byte head, tail, word, ring, old;
    bool ok;
    atomic { (busy == 0 && takers == 0) -> c_code { acquire_object(ME, 0); } }
    do
    :: take();
       if
       :: ok -> ok = false
       :: else -> break
       fi
    od;
    assert(taken == N_TASKS);
    LEAVE
}

init {
    READ_SWITCHES;
    atomic {
        run putter();
#if N_PUTTERS > 1
        run putter();
#endif
        run taker();
        run taker();
        run rest()
    }
}
