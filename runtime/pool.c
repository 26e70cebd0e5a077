/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a runtime. A host thread of ours enters the team (team.h) and stays until the end, so that one OpenMP
 * team hosts all workers, and callers never nest, whatever region they call from. How many threads came is known only
 * inside the team; what depends on it is made there. */
#include "runtime/pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic.h"
#include "runtime/memory.h"
#include "runtime/team.h"
#include "runtime/wait.h"

/* hl_runtime.team_state */
enum { TEAM_STARTING = 0, TEAM_READY = 1, TEAM_FAILED = 2 };

static void set_team_state(hl_runtime *runtime, uint32_t state) {
    /* release: the creator reads what the team has set up. */
    hl__atomic_store(team_set, &runtime->team_state, state, release);
    hl__futex_wake_all(&runtime->team_state);
}

static uint32_t wait_for_team(hl_runtime *runtime) {
    uint32_t state;
    /* acquire: pairs with the release above. */
    while ((state = hl__atomic_load(team_wait, &runtime->team_state, acquire)) == TEAM_STARTING)
        hl__futex_wait(&runtime->team_state, TEAM_STARTING);
    return state;
}

/* Makes the pools from the workers' places. */
static hl_status make_pools(hl_runtime *runtime) {
    size_t n_pools = runtime->topology->n_nodes;
    runtime->pools = hl__allocate(n_pools, sizeof *runtime->pools);
    if (!runtime->pools) return HL_OUT_OF_MEMORY;
    runtime->n_pools = n_pools;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        runtime->workers[w].node = runtime->topology->places[w].node;
        runtime->pools[runtime->workers[w].node].n_members++;
    }
    for (size_t p = 0; p < n_pools; p++) {
        hl__pool *pool = &runtime->pools[p];
        pool->members = hl__allocate(pool->n_members, sizeof *pool->members);
        if (!pool->members) return HL_OUT_OF_MEMORY;
        pool->n_members = 0;
    }
    for (size_t w = 0; w < runtime->n_workers; w++) {
        hl__pool *pool = &runtime->pools[runtime->workers[w].node];
        pool->members[pool->n_members++] = (uint16_t)w;
    }
    return HL_OK;
}

static hl_status settle_team(hl_runtime *runtime) {
    hl_status status = hl__topology_settle(runtime->topology);
    if (status == HL_OK) status = make_pools(runtime);
    if (status == HL_OK) status = hl__order_victims(runtime, runtime->steal_seed);
    return status;
}

/* One thread of the team, from its first moment to its last. */
static void join_team(void *argument) {
    hl_runtime *runtime = argument;
    size_t number = hl__team_number();
    if (number == 0) {
        runtime->n_workers = hl__team_size();
        runtime->team_status = hl__topology_spread(runtime->topology, runtime->n_workers);
    }
    hl__team_wait();
    if (runtime->team_status == HL_OK) hl__topology_bind(runtime->topology, number);
    hl__team_wait();
    if (number == 0) {
        if (runtime->team_status == HL_OK) runtime->team_status = settle_team(runtime);
        if (runtime->team_status == HL_OK) set_team_state(runtime, TEAM_READY);
    }
    hl__team_wait();
    if (runtime->team_status == HL_OK) hl__worker_main(&runtime->workers[number]);
}

static void *host_team(void *argument) {
    hl_runtime *runtime = argument;
    hl_status status = hl__team_run(runtime->n_workers, join_team, runtime);
    if (status != HL_OK)
        runtime->team_status = hl__error_set(&runtime->error, status, "no memory to start a team of threads");
    if (runtime->team_status != HL_OK) set_team_state(runtime, TEAM_FAILED);
    return NULL;
}

/* Starts the host with all signals blocked, which its team inherits: the program's handlers run in its own threads. */
static hl_status start_team(hl_runtime *runtime) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&runtime->host, NULL, host_team, runtime);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure)
        return hl__error_set(&runtime->error, HL_SYSTEM,
                             "the system refuses a thread (error %d: limits of processes or of memory)", failure);
    if (wait_for_team(runtime) == TEAM_READY) return HL_OK;
    pthread_join(runtime->host, NULL);
    return runtime->team_status;
}

static void stop_team(hl_runtime *runtime) {
    /* seq_cst: published like work, before the look for sleepers. */
    hl__atomic_store(stop_set, &runtime->stopping, true, seq_cst);
    hl__wake_anywhere(runtime, 0, runtime->n_workers);
    pthread_join(runtime->host, NULL);
}

/* Frees everything; the team is gone or was never there. */
static void release(hl_runtime *runtime) {
    for (size_t w = 0; runtime->workers && w < runtime->room_workers; w++) {
        hl__worker *worker = &runtime->workers[w];
        for (size_t d = 0; d < HL__N_DEQUES; d++) {
            /* relaxed: all threads have been joined. */
            hl__ring *ring = hl__atomic_load(rings_free, &worker->deque[d].ring, relaxed);
            while (ring) {
                hl__ring *older = ring->older;
                hl__arena_destroy(runtime, ring, ring->bytes);
                ring = older;
            }
        }
        hl__arena_destroy(runtime, worker->scratch, worker->scratch_bytes);
        hl__release(worker->events.event);
        hl__release(worker->victims);
    }
    for (size_t p = 0; p < runtime->n_pools; p++) {
        hl__pool *pool = &runtime->pools[p];
        for (size_t i = 0; i < HL__N_DEQUES; i++) {
            /* relaxed: as above. */
            hl__inbox_ring *ring = hl__atomic_load(free_inbox, &pool->inbox[i].ring, relaxed);
            while (ring) {
                hl__inbox_ring *older = ring->older;
                hl__arena_destroy(runtime, ring, ring->bytes);
                ring = older;
            }
        }
        hl__release(pool->members);
    }
    hl__release(runtime->pools);
    hl__release(runtime->workers);
    hl__release(runtime->policy_state);
    hl__trace_clear_graphs(&runtime->trace);
    hl__topology_destroy(runtime->topology);
    hl__code_destroy(runtime->code);
    pthread_mutex_destroy(&runtime->run_mutex);
    pthread_mutex_destroy(&runtime->error.mutex);
    pthread_mutex_destroy(&runtime->later.mutex);
    hl__release(runtime);
}

static hl_status make_workers(hl_runtime *runtime) {
    size_t n = runtime->n_workers;
    runtime->workers = hl__allocate(n, sizeof *runtime->workers);
    if (!runtime->workers) return hl__error_set(&runtime->error, HL_OUT_OF_MEMORY, "no memory for %zu workers", n);
    for (size_t w = 0; w < n; w++) {
        hl__worker *worker = &runtime->workers[w];
        worker->runtime = runtime;
        worker->number = (uint32_t)w;
        if (runtime->trace_room == 0) continue;
        worker->events.event = hl__allocate(runtime->trace_room, sizeof(hl__event));
        if (!worker->events.event)
            return hl__error_set(&runtime->error, HL_OUT_OF_MEMORY,
                                 "no memory for the traces of %zu workers, %zu events each", n, runtime->trace_room);
        worker->events.room = runtime->trace_room;
    }
    return HL_OK;
}

static hl_status check_options(const hl__policy *policy, const hl_runtime_options *options, hl_runtime **runtime) {
    if (!runtime) return hl__error_set_unmade(HL_INVALID_ARGUMENT, "hl_runtime_create: runtime is NULL");
    if (options->workers > HL__MAX_TEAM)
        return hl__error_set_unmade(HL_INVALID_ARGUMENT, "hl_runtime_create: %zu workers, of at most %d",
                                    options->workers, HL__MAX_TEAM);
    if (policy) return HL_OK;
    return hl__error_set_unmade(HL_INVALID_ARGUMENT, "hl_runtime_create: %d is no policy", (int)options->policy);
}

/* What the machine and its user ask for: topology, findings, and how many workers. */
static hl_status look_about(hl_runtime *runtime, const hl__system *system, size_t workers) {
    hl_status status = hl__topology_create(system, &runtime->topology);
    if (status == HL_SYSTEM) return hl__error_set(&runtime->error, status, "hwloc cannot read this machine's topology");
    if (status != HL_OK) return status;
    status = hl__findings_keep(&runtime->findings, system, workers);
    runtime->n_workers = workers;
    if (status == HL_OK && workers == 0) status = hl__topology_workers(runtime->topology, &runtime->n_workers);
    if (runtime->n_workers > HL__MAX_TEAM) runtime->n_workers = HL__MAX_TEAM;
    runtime->room_workers = runtime->n_workers;
    if (status != HL_INVALID_ARGUMENT) return status;
    return hl__error_set(&runtime->error, status,
                         "OMP_NUM_THREADS is '%s': no whole number from 1 to %d, nor a list that begins with one",
                         runtime->findings.variable[HL__VARIABLE_OMP_NUM_THREADS], HL__MAX_TEAM);
}

static hl_status make_state(hl_runtime *runtime) {
    size_t bytes = runtime->policy->state_bytes;
    if (bytes > 0) runtime->policy_state = hl__allocate(1, bytes);
    return bytes == 0 || runtime->policy_state ? HL_OK : HL_OUT_OF_MEMORY;
}

hl_status hl__runtime_create_with(const hl__system *system, const hl__policy *policy, const hl_runtime_options *options,
                                  hl_runtime **runtime) {
    static const hl_runtime_options defaults = {0};
    if (!options) options = &defaults;
    hl_status status = check_options(policy, options, runtime);
    if (status != HL_OK) return status;
    hl_runtime *made = hl__allocate(1, sizeof *made);
    if (!made) return hl__error_set_unmade(HL_OUT_OF_MEMORY, "hl_runtime_create: no memory");
    pthread_mutex_init(&made->run_mutex, NULL);
    pthread_mutex_init(&made->error.mutex, NULL);
    pthread_mutex_init(&made->later.mutex, NULL);
    made->owner = getpid();
    made->policy = policy;
    made->steal_seed = options->steal_seed;
    made->trace_room = options->trace_events;
    hl__clock_start(&made->trace.clock, system);
    status = look_about(made, system, options->workers);
    if (status == HL_OK) status = make_workers(made);
    if (status == HL_OK && !(made->code = hl__code_create(HL__CODE_BYTES))) status = HL_OUT_OF_MEMORY;
    if (status == HL_OK) status = make_state(made);
    if (status == HL_OK) status = start_team(made);
    if (status == HL_OK) {
        *runtime = made;
        return HL_OK;
    }
    const char *words = hl__error_words(&made->error); /* all but the many small allocations leave some */
    hl__error_set_unmade(status, "hl_runtime_create: %s", *words ? words : "no memory");
    release(made);
    return status;
}

hl_status hl__runtime_create_on(const hl__system *system, const hl_runtime_options *options, hl_runtime **runtime) {
    const hl__policy *policy = hl__policy_find(options ? options->policy : (hl_policy)0);
    return hl__runtime_create_with(system, policy, options, runtime);
}

hl_status hl_runtime_create(const hl_runtime_options *options, hl_runtime **runtime) {
    return hl__runtime_create_on(&hl__native_system, options, runtime);
}

void hl_runtime_destroy(hl_runtime *runtime) {
    if (!runtime || hl__runtime_check(runtime) != HL_OK) return;
    if (hl__called_by_kernel() && pthread_mutex_trylock(&runtime->run_mutex) != 0) return;
    stop_team(runtime);
    release(runtime);
}

size_t hl_runtime_workers(const hl_runtime *runtime) { return runtime ? runtime->n_workers : 0; }

size_t hl_runtime_nodes(const hl_runtime *runtime) { return runtime ? runtime->n_pools : 0; }

hl__memory_limit hl__runtime_memory_limit(const hl_runtime *runtime) {
    return hl__memory_limit_find(runtime->findings.memory);
}

hl__code *hl__runtime_code(const hl_runtime *runtime) { return runtime->code; }
