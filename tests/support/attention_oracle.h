/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention written down plainly in double, for the tests of score, attention, attention_weights and dropout: nothing
 * here is shared with the kernels. */
#ifndef HL_TESTS_SUPPORT_ATTENTION_ORACLE_H
#define HL_TESTS_SUPPORT_ATTENTION_ORACLE_H

#include "headloom/options.h"
#include "tests/support/op_check.h"

/* The (batch, head) plane of a tensor with `shared` heads that plane number `plane` of one with `heads` uses: 0 0 1 1
 * for 4 and 2. */
size_t oracle_shared_plane(size_t plane, size_t heads, size_t shared);

/* False where a mask, a length or a bias of -infinity hides key j from query i of a plane (b H + h). */
bool oracle_exists(const op_case *c, const hl_score_config *config, size_t bias, size_t lengths,
                   const double *const in[], size_t plane, size_t i, size_t j);

/* Scores [B, H, Tq, Tk] of a case whose inputs are q, k, and at the given places (or 0 for none) bias and lengths. */
void oracle_scores(const op_case *c, const hl_score_config *config, size_t bias, size_t lengths,
                   const double *const in[], double *s);

/* What the error of each score grows with: |scale| * sum |q||k| + |bias|, seen or not. */
void oracle_score_sizes(const op_case *c, const hl_score_config *config, size_t bias, const double *const in[],
                        double *s);

/* p = softmax of each row of n, zeros for a row of -infinity; lse (may be NULL): its log-sum-exp, +infinity there. */
void oracle_softmax(const double *s, size_t rows, size_t n, double *p, double *lse);

/* 0 or 1 / (1 - rate): what multiplies element (plane, i, j). */
double oracle_dropout(const hl_dropout_config *config, uint32_t node_id, int32_t step, size_t plane, size_t i,
                      size_t j);

/* Elements of an input. */
size_t oracle_size(const op_case *c, size_t input);

#endif
