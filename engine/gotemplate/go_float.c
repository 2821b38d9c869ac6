/* SPDX-License-Identifier: MIT
 *
 * go_float.c - floats as text. libc rounds correctly at any precision; what is ours are the fewest digits
 * that read back, and Go's own formats.
 */
#include "engine/gotemplate/go_float.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 17 };

typedef struct decimal {
    char digits[MAX_DIGITS + 8]; /* [n] without point, no zeros at the end but of 0 itself */
    int  n, exp10;               /* 1.25 has 0, 0.1 has -1 */
} decimal;

static decimal read_decimal(const char *text) {
    decimal     d = {.n = 0};
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && d.n < MAX_DIGITS) d.digits[d.n++] = *p;
    d.exp10 = *p ? atoi(p + 1) : 0;
    while (d.n > 1 && d.digits[d.n - 1] == '0') d.n--;
    return d;
}

static bool reads_back(const decimal *d, double f) {
    char text[48];
    (void)snprintf(text, sizeof text, "%c.%.*se%d", d->digits[0], d->n - 1, d->digits + 1, d->exp10);
    return strtod(text, NULL) == f;
}

/* One more or less in the last place; false where it would need a carry. */
static bool nudge(decimal *d, int by) {
    char *last = &d->digits[d->n - 1];
    if ((by > 0 && *last == '9') || (by < 0 && *last == '0')) return false;
    *last = (char)(*last + by);
    return true;
}

/* The shortest digits that read back as f > 0. At a power of two the numbers below are closer than those
 * above, so that the nearest decimal of some length may not read back while its neighbour does. */
static decimal shortest(double f) {
    decimal d = {.n = 0};
    for (int precision = 0; precision < MAX_DIGITS; precision++) {
        char text[40];
        (void)snprintf(text, sizeof text, "%.*e", precision, f);
        d = read_decimal(text);
        if (precision == MAX_DIGITS - 1 || reads_back(&d, f)) break;
        if (d.n != precision + 1) continue;
        for (int by = -1; by <= 1; by += 2) {
            decimal near = d;
            if (nudge(&near, by) && reads_back(&near, f)) return near;
        }
    }
    return d;
}

static void write_exponent(hl_str *to, char mark, int e) {
    hl_str_add_format(to, "%c%c%02d", mark, e < 0 ? '-' : '+', abs(e));
}

static void write_scientific(hl_str *to, const decimal *d, char mark) {
    hl_str_add_char(to, d->digits[0]);
    if (d->n > 1) hl_str_add_char(to, '.');
    hl_str_add(to, d->digits + 1, (size_t)d->n - 1);
    write_exponent(to, mark, d->exp10);
}

static void write_plain(hl_str *to, const decimal *d) {
    if (d->exp10 < 0) hl_str_add_text(to, "0.");
    for (int i = d->exp10; i < -1; i++) hl_str_add_char(to, '0');
    for (int i = 0; i < d->n || i <= d->exp10; i++) {
        hl_str_add_char(to, i < d->n ? d->digits[i] : '0');
        if (i == d->exp10 && i + 1 < d->n) hl_str_add_char(to, '.');
    }
}

static decimal decimal_of(double f) { return f == 0 ? (decimal){.digits = "0", .n = 1} : shortest(f); }

static void write_shortest(hl_str *to, double f, char format) {
    const decimal d = decimal_of(f);
    const bool    is_general = format == 'g' || format == 'G';
    if (format == 'e' || format == 'E')
        write_scientific(to, &d, format);
    else if (is_general && (d.exp10 < -4 || d.exp10 >= 6))
        write_scientific(to, &d, format == 'g' ? 'e' : 'E');
    else
        write_plain(to, &d);
}

/* Mantissa and exponent as integers: 4503599627370496p-52. */
static void write_binary(hl_str *to, double f) {
    uint64_t bits = 0;
    memcpy(&bits, &f, sizeof bits);
    const int biased = (int)(bits >> 52 & 0x7FF);
    uint64_t  mantissa = bits & ((1ull << 52) - 1);
    if (biased) mantissa |= 1ull << 52;
    const int e = (biased ? biased : 1) - 1075;
    hl_str_add_format(to, "%llup%c%d", (unsigned long long)mantissa, e < 0 ? '-' : '+', abs(e));
}

/* 0x1.8p+01: one digit before the point, the exponent with two digits at least. */
static void write_hex(hl_str *to, double f, char format, int precision) {
    const char *digits = format == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
    int         e = 0;
    uint64_t    m = f == 0 ? 0 : (uint64_t)ldexp(frexp(f, &e), 53) << 7; /* 60 bits, the first one set */
    if (f != 0) e--;
    if (precision >= 0 && precision < 15) { /* round to even */
        const int      n_drop = 60 - 1 - 4 * precision;
        const uint64_t half = 1ull << (n_drop - 1), rest = m & ((1ull << n_drop) - 1);
        m >>= n_drop;
        if (rest > half || (rest == half && m & 1)) m++;
        m <<= n_drop;
        if (m >> 60) {
            m >>= 1;
            e++;
        }
    }
    hl_str_add_format(to, "0%c%c", format, m ? '1' : '0');
    m = m << 5; /* what is behind the point, from the top */
    const bool is_short = precision < 0;
    if (is_short ? m != 0 : precision > 0) hl_str_add_char(to, '.');
    for (int i = 0; is_short ? m != 0 : i < precision; i++) {
        hl_str_add_char(to, digits[m >> 60]);
        m <<= 4;
    }
    write_exponent(to, format == 'x' ? 'p' : 'P', e);
}

void hl_go_write_float(hl_str *to, double f, char format, int precision) {
    if (isnan(f)) {
        hl_str_add_text(to, "NaN");
        return;
    }
    if (isinf(f)) {
        hl_str_add_text(to, f < 0 ? "-Inf" : "+Inf");
        return;
    }
    if (signbit(f)) hl_str_add_char(to, '-');
    f = fabs(f);
    switch (format) {
    case 'b': write_binary(to, f); return;
    case 'x':
    case 'X': write_hex(to, f, format, precision); return;
    default: break;
    }
    if (precision < 0)
        write_shortest(to, f, format);
    else
        hl_str_add_format(to,
                          format == 'e'   ? "%.*e"
                          : format == 'E' ? "%.*E"
                          : format == 'g' ? "%.*g"
                          : format == 'G' ? "%.*G"
                                          : "%.*f",
                          precision, f);
}

void hl_go_write_json_float(hl_str *to, double f) {
    if (signbit(f)) hl_str_add_char(to, '-');
    const decimal d = decimal_of(fabs(f));
    if (f == 0 || (d.exp10 >= -6 && d.exp10 < 21)) {
        write_plain(to, &d);
        return;
    }
    hl_str_add_char(to, d.digits[0]);
    if (d.n > 1) hl_str_add_char(to, '.');
    hl_str_add(to, d.digits + 1, (size_t)d.n - 1);
    hl_str_add_format(to, "e%c%d", d.exp10 < 0 ? '-' : '+', abs(d.exp10));
}
