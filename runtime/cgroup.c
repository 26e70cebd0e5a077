/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CPU quotas of control groups, version 1 (cpu.cfs_quota_us over cpu.cfs_period_us) and version 2 (cpu.max). A process
 * may be in both. The group's folder is its path in /proc/self/cgroup below the mount in /proc/self/mountinfo; in a
 * container the mount often shows a part of the tree only, and then its root is taken off the path. */
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
    hierarchy v1, v2;
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
    hierarchy *h = strcmp(type, "cgroup2") == 0                           ? &g->v2
                   : strcmp(type, "cgroup") == 0 && lists(options, "cpu") ? &g->v1
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
    else if (lists(controllers, "cpu")) copy_path(g->v1.group, path);
}

static void read_lines(const hl__system *system, const char *path, groups *g, void (*read)(groups *, char *)) {
    if (!system->read_file(system->context, path, g->text, sizeof g->text)) return;
    char *rest = NULL;
    for (char *line = strtok_r(g->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) read(g, line);
}

/* The number in a file of a group's folder, or both numbers of cpu.max; false where there is no limit. */
static bool read_limit(const hl__system *system, groups *g, bool v2, long long *quota, long long *period) {
    char text[64];
    snprintf(g->file, sizeof g->file, "%s/%s", g->folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!system->read_file(system->context, g->file, text, sizeof text)) return false;
    if (v2) return sscanf(text, "%lld %lld", quota, period) == 2 && *quota > 0 && *period > 0;
    if (sscanf(text, "%lld", quota) != 1 || *quota <= 0) return false; /* -1: none */
    snprintf(g->file, sizeof g->file, "%s/cpu.cfs_period_us", g->folder);
    return system->read_file(system->context, g->file, text, sizeof text) && sscanf(text, "%lld", period) == 1 &&
           *period > 0;
}

/* Lowers *cpus to the tightest limit on the way from the group up to the mount. */
static void limit(const hl__system *system, groups *g, bool v2, size_t *cpus) {
    const hierarchy *h = v2 ? &g->v2 : &g->v1;
    if (!h->found) return;
    size_t length = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    /* Not below what is mounted: the mount itself is the only group that we can see. */
    bool below = strncmp(h->group, h->root, length) == 0 && (h->group[length] == '/' || h->group[length] == '\0');
    size_t mount_length = strlen(h->mount);
    snprintf(g->folder, sizeof g->folder, "%s%s", h->mount, below ? h->group + length : "");
    for (;;) {
        long long quota, period;
        if (read_limit(system, g, v2, &quota, &period)) {
            size_t allowed = (size_t)((quota - 1) / period + 1);
            if (*cpus == 0 || allowed < *cpus) *cpus = allowed;
        }
        char *slash = strrchr(g->folder, '/');
        if (!slash || slash < g->folder + mount_length) return;
        *slash = '\0';
    }
}

hl_status hl__cgroup_cpus(const hl__system *system, size_t *cpus) {
    groups *g = hl__allocate(1, sizeof *g);
    if (!g) return HL_OUT_OF_MEMORY;
    read_lines(system, "/proc/self/mountinfo", g, read_mount);
    read_lines(system, "/proc/self/cgroup", g, read_group);
    size_t found = 0;
    limit(system, g, false, &found);
    limit(system, g, true, &found);
    *cpus = found;
    hl__release(g);
    return HL_OK;
}
