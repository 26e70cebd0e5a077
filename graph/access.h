/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What linking remembers while it walks the tiles in their serial order: who wrote each cell of each buffer last, who
 * has read it since, and the tasks made so far. */
#ifndef HL_GRAPH_ACCESS_H
#define HL_GRAPH_ACCESS_H

#include "graph/ir.h"
#include "graph/plan.h"
#include "graph/region.h"
#include "runtime/task.h"

/* Readers of one region since it was last written. */
typedef struct hl__readers {
    uint32_t region;
    uint32_t members; /* list of tasks, or HL__NONE */
    uint32_t n_members;
    bool closed;   /* a writer waits for it: later readers form another group */
    uint32_t join; /* of the members, once several writers need it */
} hl__readers;

typedef struct hl__list_item { /* of a list of groups (of a cell) or of tasks (of a group) */
    uint32_t item, next;
} hl__list_item;

#define HL__BLOCK_ITEMS ((size_t)4096)

typedef struct hl__region { /* one box of cells of one buffer, found by hashing */
    uint32_t base;
    uint32_t begin[HL_MAX_RANK], end[HL_MAX_RANK]; /* cells; 0 beyond the rank */
    uint32_t next;                                 /* in the same bucket */
    uint32_t open;                                 /* group that takes new readers, or HL__NONE */
    uint32_t join;                                 /* of the region's writers as of `writes`, or HL__NONE */
    uint32_t writes;
    uint32_t call;     /* whose tiles `expected` counts */
    uint32_t expected; /* tiles of that call that read the region */
} hl__region;

typedef struct hl__cell {
    uint32_t writer; /* task, or HL__NONE */
    uint32_t groups; /* list of groups of readers, or HL__NONE */
} hl__cell;

typedef struct hl__linker {
    hl__ir *ir;
    const hl__plan *plan;
    hl__task_builder *builder;
    hl__store scratch;
    hl__cells *cells; /* by base */
    hl__cell **cell;  /* by base; NULL until touched */
    uint32_t *writes; /* by base: writing tiles so far */
    uint32_t *buffer; /* by base: into plan->buffers, or HL__NONE */
    uint32_t *entry;  /* by base: join before its first write, or HL__NONE */
    uint32_t *leave;  /* by base: join behind its last access, or HL__NONE */
    hl__readers *groups;
    size_t n_groups, room_groups;
    hl__list_item **items; /* in blocks of the scratch store, which never move */
    size_t n_items, room_items;
    hl__region *regions;
    size_t n_regions, room_regions;
    uint32_t *region_of; /* by number of a box of ir->boxes */
    uint32_t *buckets;
    size_t n_buckets;
    uint32_t *before; /* predecessors of the task at hand */
    size_t n_before, room_before;
    uint32_t *mark; /* by task: number of the last task (plus one) that has it among its predecessors */
    size_t room_mark;
    uint32_t *level; /* by task */
    size_t room_level;
    uint32_t n_tasks;
    size_t n_joins;
    uint32_t join_name;
    bool failed; /* no memory */
} hl__linker;

/* The task at hand will wait for this one (HL__NONE: nothing). */
void hl__wait_for(hl__linker *l, uint32_t task);

/* Adds the task at hand, with edges from everything waited for, at a level above all of it. */
uint32_t hl__link_task(hl__linker *l, hl__task *task, uint32_t lowest_level);
/* A join of everything waited for. */
uint32_t hl__link_join(hl__linker *l);

/* Room for n regions in all; false where there is no memory. */
bool hl__link_expect_regions(hl__linker *l, size_t n);

/* The number of the region of these cells (at least one) of a buffer, made where it is new; HL__NONE where there is no
 * memory. */
uint32_t hl__link_region(hl__linker *l, uint32_t base, const hl_box *range);

/* A tile of call number `call` will read this region. */
void hl__expect_read(hl__linker *l, uint32_t call, uint32_t region);

/* Make the joins that the task at hand needs; before anything else is waited for. */
void hl__prepare_read(hl__linker *l, uint32_t region);
void hl__prepare_write(hl__linker *l, uint32_t region);

/* Wait for the writers of a region; for its readers, or else its writers. */
void hl__wait_to_read(hl__linker *l, uint32_t region);
void hl__wait_to_write(hl__linker *l, uint32_t region);

void hl__record_read(hl__linker *l, uint32_t region, uint32_t task);
void hl__record_write(hl__linker *l, uint32_t region, uint32_t task);

/* A join of the last accesses to every cell of a buffer (all earlier ones come before those), or HL__NONE. Of a buffer
 * that was never written it holds what the first write would have waited for. */
uint32_t hl__leave_buffer(hl__linker *l, uint32_t base);

#endif
