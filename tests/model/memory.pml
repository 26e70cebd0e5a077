/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memory under the models: what a load may return, and what has then been seen. A model defines N_VARS, N_PROCS,
 * N_OBJECTS, HISTORY, its variables (numbers below N_VARS) and SWITCHES, includes this file, and starts its processes
 * from init behind READ_SWITCHES: process i of the memory is _pid i + 1. LOADS(p, x) says how process p
 * loads x: ANY_ORDER, SEQ_CST_ONLY or NEVER (or by read-modify-writes alone): what nobody can load need not be kept.
 *
 * C11 (as built): a variable is the list of its stores, oldest first (HISTORY at a time, 12 at most; one more is an
 * error, no cut). A process has a view: the oldest store of each variable that it may still read. That is a store
 * buffer of any length for each variable and reader, and makes loads early as well. A release store carries its
 * process's view, an acquire load takes it over; a read-modify-write reads the last store and hands on what that one
 * carried (release sequences). Sequentially consistent operations happen in the order of the steps: such a load finds
 * the last such store or a later one. What is known of plain memory is kept with the views: whoever touches it without
 * knowing its last write makes an error, as a race detector does.
 * Not covered: a load that takes place after a later operation of its process (the models write that out where the C
 * code has one that matters: late), and stores of two processes to one variable whose order in memory is not that of
 * the steps (the models demand that such stores know of each other, or read each other, as read-modify-writes do).
 *
 * TSO (-DTSO): one value a variable, and for each process a first-in first-out buffer of stores, which a process of its
 * own empties; sequentially consistent stores, read-modify-writes and system calls wait until it is empty: x86. */
#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 2
#define ACQ_REL 3
#define SEQ_CST 7
#define NEVER 0
#define SEQ_CST_ONLY 1
#define ANY_ORDER 2
#define LOADS_BY(s) (order[s] == SEQ_CST ? SEQ_CST_ONLY : ANY_ORDER)
#define OFF 0
#define ON 1

#define ME (((P0 *)_this)->_pid - 1)

byte ax, av, ad; /* arguments of the operation under way; 0 between operations */

c_decl {
#define SWITCH(name, value) name,
enum { SWITCHES N_SWITCHES, always_relaxed = N_SWITCHES, always_seq_cst, always_acq_rel };
#undef SWITCH
typedef struct view { unsigned char at[N_VARS], stale[2]; } view; /* a bit of stale: a last write that is not known */
typedef struct message { unsigned char value; view seen; } message;
typedef struct memory {
#ifdef TSO
    unsigned char value[N_VARS], n[N_PROCS], which[N_PROCS][HISTORY], what[N_PROCS][HISTORY];
#else
    unsigned char n[N_VARS]; /* stores after the oldest that anyone may read */
    message m[N_VARS][HISTORY];
    view of[N_PROCS], object[N_OBJECTS + 1];
    unsigned char sc[N_VARS], kernel[N_VARS], gone[N_PROCS];
#endif
} memory;
}
c_state "memory M" "Global"

c_code {
#define SWITCH(name, value) value,
static unsigned char order[] = { SWITCHES RELAXED, SEQ_CST, ACQ_REL };
#undef SWITCH
#define SWITCH(name, value) #name,
static const char *const switch_name[] = { SWITCHES 0 };
#undef SWITCH
static const char *const order_name[] = { "relaxed", "acquire", "release", "acq_rel", "4", "5", "6", "seq_cst" };

/* SWITCHES="name=order name=order ..." (or =on) in the environment changes the model. */
static void read_switches(void) {
    static int done;
    if (done) return;
    done = 1;
    char *words = getenv("SWITCHES") ? strdup(getenv("SWITCHES")) : 0;
    for (char *word = words ? strtok(words, " ") : 0; word; word = strtok(0, " ")) {
        char *equals = strchr(word, '=');
        int found = -1, value = equals && !strcmp(equals + 1, "on") ? 1 : -1;
        if (equals) *equals = 0;
        for (int i = 0; i < N_SWITCHES; i++) if (!strcmp(word, switch_name[i])) found = i;
        for (int o = 0; equals && o < 8; o++) if (!strcmp(equals + 1, order_name[o])) value = o;
        if (found < 0 || value < 0) { printf("no such switch: %s\n", word); exit(2); }
        order[found] = value;
    }
}

#ifdef TSO
static int has_room(int p, int x) { (void)x; return now.M.n[p] < HISTORY; }
static void flush(int p) {
    memory *M = &now.M;
    M->value[M->which[p][0]] = M->what[p][0];
    M->n[p]--;
    for (int i = 0; i < HISTORY; i++) {
        M->which[p][i] = i < M->n[p] ? M->which[p][i + 1] : 0;
        M->what[p][i] = i < M->n[p] ? M->what[p][i + 1] : 0;
    }
}
static void drain(int p) { while (now.M.n[p] > 0) flush(p); }
static int peek(int p, int x, int k) {
    (void)k;
    for (int i = now.M.n[p]; i > 0; i--) if (now.M.which[p][i - 1] == x) return now.M.what[p][i - 1];
    return now.M.value[x];
}
static int can_load(int p, int x, int o, int k) { (void)p, (void)x, (void)o; return k == 0; }
static int do_load(int p, int x, int o, int k) { (void)o; return peek(p, x, k); }
static void do_store(int p, int x, int o, int value) {
    memory *M = &now.M;
    M->which[p][M->n[p]] = x;
    M->what[p][M->n[p]++] = value;
    if (o == SEQ_CST) drain(p);
}
static int can_exchange(int p, int x, int expected) { return peek(p, x, 0) == expected; }
static int can_miss(int p, int x, int expected) { return peek(p, x, 0) != expected; }
static void do_miss(int p, int x, int expected) { (void)x, (void)expected; drain(p); }
static int do_exchange(int p, int x, int o, int value) {
    (void)o;
    drain(p);
    int old = now.M.value[x];
    now.M.value[x] = value;
    return old;
}
static int last(int x) { return now.M.value[x]; }
static void initialise(int x, int value) { now.M.value[x] = value; }
static void call_kernel(int p, int x) { (void)x; drain(p); }
static void leave(int p) { drain(p); }
static int knows(int p, int c) { (void)p, (void)c; return 1; }
static void put_plain(int p, int c) { (void)p, (void)c; }
static void acquire_object(int p, int i) { (void)p, (void)i; }
static void release_object(int p, int i) { (void)p, (void)i; }
#else
static const view nothing = { { 0 }, { 255, 255 } };
static void join(view *into, const view *from) {
    for (int x = 0; x < N_VARS; x++) if (into->at[x] < from->at[x]) into->at[x] = from->at[x];
    into->stale[0] &= from->stale[0];
    into->stale[1] &= from->stale[1];
}
static void lower(unsigned char *at, int by) { *at = *at > by ? *at - by : 0; }
/* Forgets the stores that nobody can read any more, so that equal states look equal. */
static void tidy(void) {
    memory *M = &now.M;
    for (int x = 0; x < N_VARS; x++) {
        int by = M->n[x];
        for (int p = 0; p < N_PROCS; p++) {
            int oldest = M->of[p].at[x];
            if (M->gone[p] || LOADS(p, x) == NEVER) continue;
            if (LOADS(p, x) == SEQ_CST_ONLY && oldest < M->sc[x]) oldest = M->sc[x];
            if (by > oldest) by = oldest;
        }
        if (by == 0) continue;
        for (int i = 0; i < HISTORY; i++) {
            if (i + by <= M->n[x]) M->m[x][i] = M->m[x][i + by];
            else memset(&M->m[x][i], 0, sizeof(message));
        }
        M->n[x] -= by;
        for (int p = 0; p < N_PROCS; p++) lower(&M->of[p].at[x], by);
        for (int i = 0; i < N_OBJECTS; i++) lower(&M->object[i].at[x], by);
        for (int y = 0; y < N_VARS; y++) for (int i = 0; i <= M->n[y]; i++) lower(&M->m[y][i].seen.at[x], by);
        lower(&M->sc[x], by);
        lower(&M->kernel[x], by);
    }
}
static int has_room(int p, int x) { (void)p; return now.M.n[x] + 1 < HISTORY; }
static int can_load(int p, int x, int o, int k) {
    int at = now.M.n[x] - k;
    return at >= now.M.of[p].at[x] && (o != SEQ_CST || at >= now.M.sc[x]);
}
static int peek(int p, int x, int k) { (void)p; return now.M.m[x][now.M.n[x] - k].value; }
static int do_load(int p, int x, int o, int k) {
    memory *M = &now.M;
    int at = M->n[x] - k, value = M->m[x][at].value;
    M->of[p].at[x] = at;
    if (o & ACQUIRE) join(&M->of[p], &M->m[x][at].seen);
    tidy();
    return value;
}
static void append(int p, int x, int o, int value, const view *before) {
    memory *M = &now.M;
    int at = ++M->n[x];
    M->of[p].at[x] = at;
    message made = { .value = value, .seen = o & RELEASE ? M->of[p] : nothing };
    if (before) join(&made.seen, before);
    made.seen.at[x] = at;
    M->m[x][at] = made;
    if (o == SEQ_CST) M->sc[x] = at;
    tidy();
}
static void do_store(int p, int x, int o, int value) { append(p, x, o, value, 0); }
static int can_exchange(int p, int x, int expected) { (void)p; return now.M.m[x][now.M.n[x]].value == expected; }
static int can_miss(int p, int x, int expected) {
    for (int k = 0; can_load(p, x, RELAXED, k); k++) if (peek(p, x, k) != expected) return 1;
    return 0;
}
static void do_miss(int p, int x, int expected) {
    memory *M = &now.M;
    while (M->m[x][M->of[p].at[x]].value == expected) M->of[p].at[x]++;
    tidy();
}
static int do_exchange(int p, int x, int o, int value) {
    memory *M = &now.M;
    message old = M->m[x][M->n[x]];
    if (o & ACQUIRE) join(&M->of[p], &old.seen);
    append(p, x, o, value, &old.seen);
    return old.value;
}
static int last(int x) { return now.M.m[x][now.M.n[x]].value; }
static void initialise(int x, int value) { now.M.m[x][0].value = value; }
/* A futex call: the kernel's lock orders the calls on one word, and nothing else is said to be ordered by it. */
static void call_kernel(int p, int x) {
    memory *M = &now.M;
    if (M->kernel[x] < M->of[p].at[x]) M->kernel[x] = M->of[p].at[x];
    M->of[p].at[x] = M->kernel[x];
    tidy();
}
static void leave(int p) {
    memset(&now.M.of[p], 0, sizeof(view));
    now.M.gone[p] = 1;
    tidy();
}

/* Plain memory: cell c was last written by somebody; whoever touches it must know that. */
static int knows(int p, int c) { return !(now.M.of[p].stale[c / 8] & 1 << c % 8); }
static void put_plain(int p, int c) {
    memory *M = &now.M;
    int byte = c / 8, bit = 1 << c % 8;
    for (int q = 0; q < N_PROCS; q++) if (!M->gone[q]) M->of[q].stale[byte] |= bit;
    for (int i = 0; i < N_OBJECTS; i++) M->object[i].stale[byte] |= bit;
    for (int x = 0; x < N_VARS; x++) for (int i = 0; i <= M->n[x]; i++) M->m[x][i].seen.stale[byte] |= bit;
    M->of[p].stale[byte] &= ~bit;
}
static void acquire_object(int p, int i) { join(&now.M.of[p], &now.M.object[i]); tidy(); }
static void release_object(int p, int i) { join(&now.M.object[i], &now.M.of[p]); }
#endif
static int do_add(int p, int x, int o, int value) { return do_exchange(p, x, o, (unsigned char)(last(x) + value)); }
}

#define LOAD_1(s, into, k) \
    c_expr { can_load (ME, now.ax, order[s], k) } -> \
    d_step { c_code { now.av = do_load(ME, now.ax, order[s], k); }; into = av; ax = 0; av = 0 }

/* atomic_load_explicit: s is the switch that holds its order. */
#define LOAD(s, x, into) \
    atomic { \
        ax = x; \
        if \
        :: LOAD_1(s, into, 0) \
        :: LOAD_1(s, into, 1) \
        :: LOAD_1(s, into, 2) \
        :: LOAD_1(s, into, 3) \
        :: LOAD_1(s, into, 4) \
        :: LOAD_1(s, into, 5) \
        :: LOAD_1(s, into, 6) \
        :: LOAD_1(s, into, 7) \
        :: LOAD_1(s, into, 8) \
        :: LOAD_1(s, into, 9) \
        :: LOAD_1(s, into, 10) \
        :: LOAD_1(s, into, 11) \
        fi \
    }

#define STORE(s, x, v) \
    d_step { \
        ax = x; av = v; \
        c_code [has_room(ME, now.ax)] { do_store(ME, now.ax, order[s], now.av); }; \
        ax = 0; av = 0 \
    }

/* atomic_fetch_add_explicit; v may be negative. */
#define ADD(s, x, v, old) \
    d_step { \
        ax = x; av = v; \
        c_code [has_room(ME, now.ax)] { now.av = do_add(ME, now.ax, order[s], now.av); }; \
        old = av; ax = 0; av = 0 \
    }

/* atomic_compare_exchange_strong_explicit, relaxed on failure: it is then said to have read the oldest store that it
 * could, which leaves the most to happen; who needs the value loads it. */
#define EXCHANGE(s, x, expected, desired, ok) \
    atomic { \
        ax = x; av = expected; ad = desired; \
        if \
        :: c_expr { can_exchange (ME, now.ax, now.av) } -> \
            d_step { \
                c_code [has_room(ME, now.ax)] { do_exchange(ME, now.ax, order[s], now.ad); }; \
                ok = true; ax = 0; av = 0; ad = 0 \
            } \
        :: c_expr { can_miss (ME, now.ax, now.av) } -> \
            d_step { c_code { do_miss(ME, now.ax, now.av); }; ok = false; ax = 0; av = 0; ad = 0 } \
        fi \
    }

/* Plain memory. */
#define WRITE_PLAIN(c) d_step { ax = c; c_code [knows(ME, now.ax)] { put_plain(ME, now.ax); }; ax = 0 }
#define READ_PLAIN(c) d_step { ax = c; c_code [knows(ME, now.ax)] { ; }; ax = 0 }

#define IS(s) c_expr { order[s] }     /* a switch that is on */
#define LEAVE c_code { leave(ME); }
#define READ_SWITCHES c_code { read_switches(); }
#define INITIALISE(x, v) d_step { ax = x; av = v; c_code { initialise(now.ax, now.av); }; ax = 0; av = 0 }

#ifdef TSO
#define FLUSH_1(p) :: d_step { c_expr { now.M.n[p] > 0 } -> c_code { flush(p); } }
/* The hardware; not one of the memory's own processes, started last. */
proctype hardware() {
end:
    do
    FLUSH_1(0)
    FLUSH_1(1)
    FLUSH_1(2)
    od
}
#define START_HARDWARE run hardware()
#else
#define START_HARDWARE skip
#endif
