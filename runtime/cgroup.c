/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CPU quotas of control groups, version 1 (cpu.cfs_quota_us over cpu.cfs_period_us) and version 2 (cpu.max), and their
 * limits of memory (memory.limit_in_bytes and memory.max). A process may be in groups of both versions. The group's
 * folder is its path in /proc/self/cgroup below the mount in /proc/self/mountinfo; in a container the mount often shows
 * a part of the tree only, and then its root is taken off the path. */
#include "runtime/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory.h"

#define TABLE_BYTES ((size_t)1 << 18)
#define PATH_BYTES 4096

typedef struct hierarchy {
    bool found;
    char mount[PATH_BYTES]; /* where it is mounted */
    char root[PATH_BYTES];  /* what part of the tree is mounted there */
    char group[PATH_BYTES]; /* ours, from the tree's root */
} hierarchy;

typedef struct groups {
    const char *controller; /* "cpu" or "memory" */
    hierarchy v1, v2;       /* v1: of this controller */
    char text[TABLE_BYTES];
    char folder[PATH_BYTES * 2], file[PATH_BYTES * 2 + 32]; /* of a limit; threads may have little stack */
} groups;

/* True where word is one of those in a list with commas. */
static bool lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ',')) return true;
    return false;
}

static void copy_path(char to[PATH_BYTES], const char *from) { snprintf(to, PATH_BYTES, "%s", from); }

/* The kernel writes blanks and backslashes of a path (systemd has them in the names of its units) as \040 and \134. */
static void copy_escaped_path(char to[PATH_BYTES], const char *from) {
    size_t n = 0;
    for (; *from && n < PATH_BYTES - 1; n++) {
        bool escaped = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        to[n] = escaped ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
        from += escaped ? 4 : 1;
    }
    to[n] = '\0';
}

/* One line of mountinfo: id parent device root mount options [tags] - type source superoptions */
static void read_mount(groups *g, char *line) {
    char *tail = strstr(line, " - "), *at = line, *field[5], *rest = NULL;
    if (!tail) return;
    *tail = '\0';
    for (size_t i = 0; i < 5; i++, at = NULL)
        if (!(field[i] = strtok_r(at, " ", &rest))) return;
    char *type = strtok_r(tail + 3, " ", &rest), *source = strtok_r(NULL, " ", &rest);
    char *options = strtok_r(NULL, " ", &rest);
    if (!type || !source || !options) return;
    hierarchy *h = strcmp(type, "cgroup2") == 0                                   ? &g->v2
                   : strcmp(type, "cgroup") == 0 && lists(options, g->controller) ? &g->v1
                                                                                  : NULL;
    if (!h || h->found) return;
    h->found = true;
    copy_escaped_path(h->root, field[3]);
    copy_escaped_path(h->mount, field[4]);
}

/* One line of /proc/self/cgroup: number:controllers:path, without controllers in version 2. */
static void read_group(groups *g, char *line) {
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return;
    *path++ = '\0';
    controllers++;
    if (*controllers == '\0') copy_path(g->v2.group, path);
    else if (lists(controllers, g->controller)) copy_path(g->v1.group, path);
}

static void read_lines(const hl__system *system, const char *path, groups *g, void (*read)(groups *, char *)) {
    if (!system->read_file(system->context, path, g->text, sizeof g->text)) return;
    char *rest = NULL;
    for (char *line = strtok_r(g->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) read(g, line);
}

/* A limit of the group whose folder is in g; false where it has none. */
typedef bool reader(const hl__system *system, groups *g, bool v2, size_t *limit);

/* Whole CPUs, from the numbers in one or two files. */
static bool read_cpus(const hl__system *system, groups *g, bool v2, size_t *cpus) {
    char text[64];
    long long quota, period;
    snprintf(g->file, sizeof g->file, "%s/%s", g->folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!system->read_file(system->context, g->file, text, sizeof text)) return false;
    int found = sscanf(text, "%lld %lld", &quota, &period);
    if (found < 1 || quota <= 0) return false; /* "max", -1: none */
    if (!v2) {
        snprintf(g->file, sizeof g->file, "%s/cpu.cfs_period_us", g->folder);
        if (!system->read_file(system->context, g->file, text, sizeof text)) return false;
        found = 1 + sscanf(text, "%lld", &period);
    }
    if (found != 2 || period <= 0) return false;
    *cpus = (size_t)((quota - 1) / period + 1);
    return true;
}

/* Bytes. Version 1 gives a number above all memory where there is no limit, version 2 "max". */
static bool read_memory(const hl__system *system, groups *g, bool v2, size_t *bytes) {
    char text[64];
    long long number;
    snprintf(g->file, sizeof g->file, "%s/%s", g->folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    if (!system->read_file(system->context, g->file, text, sizeof text)) return false;
    if (sscanf(text, "%lld", &number) != 1 || number < 0) return false;
    *bytes = number > 0 ? (size_t)number : 1; /* 0 is for no limit */
    return true;
}

/* Lowers *tightest to the tightest limit on the way from the group up to the mount. */
static void limit(const hl__system *system, groups *g, bool v2, reader *read, size_t *tightest) {
    const hierarchy *h = v2 ? &g->v2 : &g->v1;
    if (!h->found) return;
    size_t length = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    /* Not below what is mounted: the mount itself is the only group that we can see. */
    bool below = strncmp(h->group, h->root, length) == 0 && (h->group[length] == '/' || h->group[length] == '\0');
    size_t mount_length = strlen(h->mount);
    snprintf(g->folder, sizeof g->folder, "%s%s", h->mount, below ? h->group + length : "");
    for (;;) {
        size_t allowed;
        if (read(system, g, v2, &allowed) && (*tightest == 0 || allowed < *tightest)) *tightest = allowed;
        char *slash = strrchr(g->folder, '/');
        if (!slash || slash < g->folder + mount_length) return;
        *slash = '\0';
    }
}

static hl_status find(const hl__system *system, const char *controller, reader *read, size_t *tightest) {
    groups *g = hl__allocate(1, sizeof *g);
    if (!g) return HL_OUT_OF_MEMORY;
    g->controller = controller;
    read_lines(system, "/proc/self/mountinfo", g, read_mount);
    read_lines(system, "/proc/self/cgroup", g, read_group);
    size_t found = 0;
    limit(system, g, false, read, &found);
    limit(system, g, true, read, &found);
    *tightest = found;
    hl__release(g);
    return HL_OK;
}

hl_status hl__cgroup_cpus(const hl__system *system, size_t *cpus) { return find(system, "cpu", read_cpus, cpus); }

hl_status hl__cgroup_memory(const hl__system *system, size_t *bytes) {
    return find(system, "memory", read_memory, bytes);
}
