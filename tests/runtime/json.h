/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A strict reader of JSON (RFC 8259), for the traces that are written: whatever the grammar forbids fails the test. */
#ifndef HL_TESTS_RUNTIME_JSON_H
#define HL_TESTS_RUNTIME_JSON_H

#include <stddef.h>

typedef enum json_type { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json {
    json_type type;
    char *key;    /* in an object; NULL elsewhere */
    char *text;   /* of a string, decoded; of a number, as it stands */
    double value; /* of a number */
    struct json *child, *next;
    size_t n_children;
} json;

json *json_read(const char *path);
void json_free(json *j);

/* The member of an object, which must be there, once. */
const json *json_get(const json *object, const char *key);
double json_number(const json *object, const char *key);
const char *json_text(const json *object, const char *key);

#endif
