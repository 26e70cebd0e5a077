/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The mathematics of the initialisers, apart so that it can be tested against libm. Additions, multiplications,
 * divisions and square roots in double alone: IEEE 754 fixes their every bit, which it does not for libm's functions.
 */
#ifndef HL_NN_INIT_H
#define HL_NN_INIT_H

#include <stdint.h>

/* log x of a normal x > 0. */
double hl__init_log(double x);

/* sine and cosine of 2 pi (word + 1/2) / 2^32. */
void hl__init_circle(uint32_t word, double *sine, double *cosine);

#endif
