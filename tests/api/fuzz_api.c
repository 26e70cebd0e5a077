/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs the fuzzer's cases, some dozens in a child process each, which has made no thread before: a signal, a report of
 * a sanitizer, a leak, a hang and a wrong answer are told with the seed of their case and what the case has done. Cases
 * under a limit of the system (address space, threads, stacks) have a child of their own.
 *   FUZZ_SEED=n   that case alone, and what it did   FUZZ_MS=n        for how long to go on
 *   FUZZ_FIRST=n  where to begin                     FUZZ_FINDINGS=n  how many to tell before giving up */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/api/fuzz.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define HANGS_AFTER_S 90 /* one case takes some milliseconds, under a sanitizer on a busy machine some hundreds */
#define BATCH 48         /* the last case of each is one under a limit */
#define EXIT_LEAK 3
#define STACK_KIB (FUZZ_SANITIZED ? 512 : 128) /* sanitizers put room around everything */

/* What a child shows to its parent. */
typedef struct show {
    _Atomic uint64_t seed;
    _Atomic size_t n_cases;
    size_t length;
    char text[1 << 15];
} show;

static show *shown;

void fuzz_say(const fuzz *f, const char *format, ...) {
    (void)f;
    size_t size = sizeof shown->text;
    if (shown->length > size / 2) { /* what came last matters */
        memmove(shown->text, shown->text + size / 4, shown->length - size / 4 + 1);
        shown->length -= size / 4;
    }
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(shown->text + shown->length, size / 4, format, arguments);
    va_end(arguments);
    if (n > 0) shown->length += (size_t)n < size / 4 ? (size_t)n : size / 4 - 1;
}

void fuzz_fail(const fuzz *f, const char *format, ...) {
    char words[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    fuzz_say(f, "WRONG: %s\n", words);
    _exit(EXIT_FAILURE);
}

/* ---- cases ---- */

static void draw_graph(fuzz *f, size_t n_calls) {
    hl_status status = hl_graph_create(&f->graph);
    if (status == HL_OK) status = hl_graph_create(&f->other);
    if (status != HL_OK) return;
    f->foreign = hl_input(f->other, "foreign", HL_F32, HL_SHAPE(2, 3));
    fuzz_build(f, n_calls);
}

static void drop_graph(fuzz *f) {
    hl_graph_destroy(f->graph);
    hl_graph_destroy(f->other);
}

/* Memory runs out somewhere, once or for good. */
static void run_short(fuzz *f, const fuzz_runtimes *runtimes) {
    f->short_of_memory = true;
    bool building = fuzz_one_in(f, 3);
    size_t n_bad = fuzz_one_in(f, 2) ? 1 : SIZE_MAX / 2, n_calls = 4 + fuzz_below(f, 16);
    if (building) fuzz_memory_limit(fuzz_below(f, 400), n_bad);
    draw_graph(f, n_calls);
    hl_state *state = NULL;
    if (f->graph && f->other && hl_state_create(&state) == HL_OK) {
        hl_tensor *output = f->n_steps ? f->step[0] : f->n_tensors ? f->tensor[f->n_tensors - 1] : NULL;
        if (!building) fuzz_memory_limit(fuzz_below(f, 1500), n_bad);
        hl_program *program = output ? fuzz_program(f, runtimes->runtime[0], state, &output, 1) : NULL;
        if (program) {
            fuzz_write_all(f, program);
            hl_status status = hl_program_run(program);
            fuzz_status(f, "hl_program_run", status, FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_NOT_FINITE),
                        hl_program_error(program));
        }
        hl_program_destroy(program);
    }
    fuzz_memory_limit(SIZE_MAX, 0);
    hl_state_destroy(state);
    drop_graph(f);
}

static void run_case(uint64_t seed, const fuzz_runtimes *runtimes) {
    static fuzz f;
    shown->length = 0;
    shown->text[0] = 0;
    fuzz_start(&f, seed);
    size_t kind = fuzz_below(&f, 10);
    fuzz_say(&f, "a case of kind %zu\n", kind);
    if (kind == 9) {
        run_short(&f, runtimes);
        return;
    }
    f.gentle = kind < 3;
    f.wild = kind >= 5 ? 10 + (unsigned)fuzz_below(&f, 150) : 0;
    draw_graph(&f, 2 + fuzz_below(&f, kind >= 5 ? 12 : 20));
    if (kind < 3) fuzz_fused_and_apart(&f, runtimes);
    else if (kind < 5) fuzz_same_bits(&f, runtimes);
    else if (kind < 8) fuzz_use(&f, runtimes);
    else fuzz_two_threads(&f, runtimes);
    drop_graph(&f);
}

/* ---- children ---- */

/* Follow from the number of the batch, so that a case alone finds the same ones. */
static void open_runtimes(uint64_t batch, fuzz_runtimes *r) {
    fuzz f;
    fuzz_start(&f, batch ^ 0x5eed);
    for (size_t i = 0; i < FUZZ_RUNTIMES; i++) {
        r->options[i] = (hl_runtime_options){.workers = 1 + fuzz_below(&f, 3),
                                             .policy = policies[fuzz_below(&f, N_POLICIES)].policy,
                                             .steal_seed = fuzz_draw(&f),
                                             .trace_events = fuzz_one_in(&f, 3) ? 1 + fuzz_below(&f, 2000) : 0};
        hl_status status = hl_runtime_create(&r->options[i], &r->runtime[i]);
        if (status != HL_OK) r->runtime[i] = NULL;
    }
}

static void close_runtimes(fuzz_runtimes *r) {
    for (size_t i = 0; i < FUZZ_RUNTIMES; i++) hl_runtime_destroy(r->runtime[i]);
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* Everything is destroyed: whatever is still there has leaked. */
static void check_leaks(void) {
    size_t held = fuzz_memory_held();
    if (held > 0) fuzz_say(NULL, "WRONG: %zu allocations are not released\n", held);
    if (held > 0 || (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())) _exit(EXIT_LEAK);
}

static void show_case(uint64_t seed) {
    atomic_store(&shown->seed, seed);
    atomic_fetch_add(&shown->n_cases, 1);
}

static void run_batch(uint64_t first, uint64_t n) {
    fuzz_runtimes runtimes = {{NULL}, {{0}}};
    open_runtimes(first / BATCH, &runtimes);
    for (uint64_t seed = first; seed < first + n; seed++) {
        show_case(seed);
        for (size_t i = 0; i < FUZZ_RUNTIMES; i++)
            if (!runtimes.runtime[i]) fuzz_fail(NULL, "a runtime cannot be made");
        run_case(seed, &runtimes);
    }
    close_runtimes(&runtimes);
    check_leaks();
    _exit(EXIT_SUCCESS);
}

/* ---- limits of the system ---- */

typedef struct limited {
    uint64_t seed;
    size_t workers, n_calls;
    bool odd; /* the number of workers, or what the environment says of it */
} limited;

/* A whole life, of which any call may fail. Whoever has a handle may go on. */
static void *live(void *argument) {
    const limited *given = argument;
    static fuzz f;
    fuzz_start(&f, given->seed);
    f.short_of_memory = true;
    hl_runtime_options options = {.workers = given->workers, .policy = policies[fuzz_below(&f, N_POLICIES)].policy};
    fuzz_runtimes runtimes = {{NULL}, {{0}}};
    hl_status status = hl_runtime_create(&options, &runtimes.runtime[0]);
    const unsigned allowed =
        FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_SYSTEM) | FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_INVALID_ARGUMENT);
    fuzz_say(&f, "a runtime of %zu workers: %s\n", given->workers, hl_status_string(status));
    fuzz_status(&f, "hl_runtime_create", status, allowed, hl_runtime_error(NULL));
    fuzz_check(&f, given->odd || status != HL_INVALID_ARGUMENT, "hl_runtime_create: %s", hl_runtime_error(NULL));
    for (size_t i = 1; i < FUZZ_RUNTIMES; i++) runtimes.runtime[i] = runtimes.runtime[0];
    if (status == HL_OK) {
        fuzz_check(&f, hl_runtime_workers(runtimes.runtime[0]) >= 1, "a runtime without workers");
        draw_graph(&f, given->n_calls);
        if (f.graph && f.other) fuzz_use(&f, &runtimes);
        drop_graph(&f);
    }
    hl_runtime_destroy(runtimes.runtime[0]);
    return NULL;
}

/* The limit does not hold for root, so root becomes a user that nobody else is; others get a namespace of their own. */
static bool limit_threads(rlim_t n) {
    if (geteuid() == 0 ? setuid(100000u + (uid_t)getpid() % 60000) != 0 : unshare(CLONE_NEWUSER) != 0) return false;
    return setrlimit(RLIMIT_NPROC, &(struct rlimit){n, n}) == 0;
}

static void live_on_small_stack(limited *l) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_KIB * 1024);
    if (pthread_create(&thread, &attributes, live, l) == 0) pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* As many workers as the environment says, whatever it says, or as nobody can want. */
static void ask_oddly(fuzz *f, limited *l) {
    static const char *const numbers[] = {
        "",     "0",  "-1",  "2", " 3 ", "2,3", "1,,2", "0x2", "two", "99999999999999999999",
        "4097", "3;", "2 3", ",", "1e1", "+2"};
    static const size_t workers[] = {4097, SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 32};
    l->odd = true;
    l->workers = fuzz_one_in(f, 4) ? workers[fuzz_below(f, FUZZ_COUNT(workers))] : 0;
    setenv("OMP_NUM_THREADS", numbers[fuzz_below(f, FUZZ_COUNT(numbers))], 1);
}

/* The address space that is taken already. */
static size_t mapped_bytes(void) {
    FILE *in = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    if (in && fscanf(in, "%zu", &pages) != 1) pages = 0;
    if (in) fclose(in);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void run_limited(uint64_t seed) {
    fuzz f;
    fuzz_start(&f, seed);
    show_case(seed);
    shown->length = 0;
    limited l = {.seed = fuzz_draw(&f), .workers = 1 + fuzz_below(&f, 6), .n_calls = 2 + fuzz_below(&f, 16)};
    size_t kind = fuzz_below(&f, 4);
    fuzz_say(&f, "a case under a limit of kind %zu\n", kind);
    if (kind == 0) {
        size_t bytes = mapped_bytes() + fuzz_below(&f, fuzz_one_in(&f, 4) ? (size_t)200 << 20 : (size_t)12 << 20);
        if (!FUZZ_SANITIZED) /* sanitizers reserve terabytes: none for them */
            setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
        live(&l);
    } else if (kind == 1) {
        if (limit_threads(1 + fuzz_below(&f, 6))) live(&l);
    } else if (kind == 2) {
        live_on_small_stack(&l);
    } else {
        ask_oddly(&f, &l);
        live(&l);
    }
    size_t held = fuzz_memory_held();
    if (held > 0) fuzz_say(&f, "WRONG: %zu allocations are not released\n", held);
    _exit(held > 0 ? EXIT_LEAK : EXIT_SUCCESS);
}

/* ---- the parent ---- */

static uint64_t number_of(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_limited(uint64_t seed) { return seed % BATCH == BATCH - 1; }

/* Waits for the child, and ends it where it hangs. */
static int status_of(pid_t child, bool *hangs) {
    int status = 0;
    size_t n_seen = 0;
    uint64_t since = now_ms();
    while (waitpid(child, &status, WNOHANG) == 0) {
        usleep(500);
        size_t n = atomic_load(&shown->n_cases);
        if (n != n_seen) since = now_ms();
        n_seen = n;
        if (now_ms() - since < (uint64_t)HANGS_AFTER_S * 1000 || *hangs) continue;
        *hangs = true;
        kill(child, SIGABRT);
    }
    return status;
}

static int run_child(uint64_t first, uint64_t n, bool *hangs) {
    fflush(NULL);
    *hangs = false;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (is_limited(first)) run_limited(first);
        run_batch(first, n);
    }
    return status_of(child, hangs);
}

static void tell(int status, bool hangs) {
    unsigned long long seed = atomic_load(&shown->seed);
    fprintf(stderr, "---- FUZZ_SEED=%llu: %s %d, after\n%s----\n", seed,
            hangs                 ? "hangs, ended by signal"
            : WIFSIGNALED(status) ? "ended by signal"
                                  : "ended with exit code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), shown->text);
}

/* Runs seeds first to first + n - 1 and returns how many of them failed; goes on behind a case that fails. */
static size_t run_seeds(uint64_t first, uint64_t n) {
    size_t n_failed = 0;
    bool hangs;
    while (n > 0) {
        int status = run_child(first, n, &hangs);
        if (status == 0) return n_failed;
        bool leak = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LEAK;
        if (leak && n > 1) { /* which one? */
            for (uint64_t i = 0; i < n; i++) n_failed += run_seeds(first + i, 1);
            if (n_failed == 0) tell(status, false);
            return n_failed + (n_failed == 0);
        }
        tell(status, hangs);
        n_failed++;
        uint64_t behind = atomic_load(&shown->seed) + 1;
        if (leak || behind < first || behind > first + n) return n_failed;
        n -= behind - first;
        first = behind;
    }
    return n_failed;
}

START_TEST(EverySeedIsAnsweredAsTheHeadersSay) {
    void *memory = mmap(NULL, sizeof *shown, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    shown = memory;
    uint64_t end = now_ms() + number_of("FUZZ_MS", 10000), only = number_of("FUZZ_SEED", 0), n_seeds = 0;
    uint64_t most = number_of("FUZZ_FINDINGS", 1), n_failed = 0;
    if (only) {
        n_failed = run_seeds(only, n_seeds = 1);
        if (n_failed == 0) printf("%s", shown->text);
    }
    for (uint64_t seed = number_of("FUZZ_FIRST", 1); !only && now_ms() < end && n_failed < most;) {
        uint64_t n = is_limited(seed) ? 1 : BATCH - 1 - seed % BATCH;
        n_failed += run_seeds(seed, n);
        seed += n;
        n_seeds += n;
    }
    printf("%llu seeds\n", (unsigned long long)n_seeds);
    munmap(memory, sizeof *shown);
    ck_assert_uint_gt(n_seeds, 0);
    ck_assert_uint_eq(n_failed, 0);
}
END_TEST

/* Workers, too, have small stacks; OpenMP reads how large before main. */
int main(int argc, char **argv) {
    (void)argc;
    if (!getenv("OMP_STACKSIZE")) {
        char size[16];
        snprintf(size, sizeof size, "%dK", STACK_KIB);
        setenv("OMP_STACKSIZE", size, 1);
        execv("/proc/self/exe", argv);
    }
    return run_tests("api fuzz", TESTS(EverySeedIsAnsweredAsTheHeadersSay));
}
