/* One right implementation and the faults that only C has; tests/testing/test_targets.py hands them to the kit. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

uint16_t right(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i + 1 < n; i += 2)
        sum += (uint64_t)p[i] << 8 | p[i + 1];
    if (n & 1)
        sum += (uint64_t)p[n - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* In the machine's byte order, as most stacks do; right on either kind of machine. */
uint16_t right_native(const uint8_t *p, size_t n)
{
    const uint16_t one = 1;
    uint32_t sum = 0;
    uint16_t word;
    for (; n > 1; n -= 2, p += 2) {
        ((uint8_t *)&word)[0] = p[0];
        ((uint8_t *)&word)[1] = p[1];
        sum += word;
    }
    if (n) {
        word = 0;
        ((uint8_t *)&word)[0] = p[0];
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    word = (uint16_t)~sum;
    return *(const uint8_t *)&one ? (uint16_t)(word << 8 | word >> 8) : word;
}

uint16_t reads_on(const uint8_t *p, size_t n) { return right(p, n + (n & 1)); }
uint16_t short_length(const uint8_t *p, size_t n) { return right(p, (uint16_t)n); }
uint16_t aligned_only(const uint8_t *p, size_t n) { return right((const uint8_t *)((uintptr_t)p & ~(uintptr_t)1), n); }
uint16_t off_by_one(const uint8_t *p, size_t n) { return right(p, n ? n - 1 : 0); }
uint16_t signed_char(const uint8_t *p, size_t n)
{
    int32_t sum = 0;
    size_t i;
    for (i = 0; i < n; i++)
        sum += i & 1 ? (int8_t)p[i] : (int8_t)p[i] * 256;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
    return (uint16_t)~sum;
}
uint16_t carry_16(const uint8_t *p, size_t n)
{
    uint16_t sum = 0;
    size_t i;
    for (i = 0; i < n; i++)
        sum = (uint16_t)(sum + (i & 1 ? p[i] : p[i] << 8));
    return (uint16_t)~sum;
}
uint16_t carry_32(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    size_t i;
    for (i = 0; i < n; i++)
        sum += (uint32_t)p[i] << (24 - 8 * (i & 3));
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
uint16_t one_fold(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    size_t i;
    for (i = 0; i < n; i++)
        sum += i & 1 ? p[i] : p[i] << 8;
    return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}
uint16_t crashes(const uint8_t *p, size_t n) { return n == 77 ? (uint16_t)raise(SIGSEGV) : right(p, n); }
uint16_t hangs(const uint8_t *p, size_t n)
{
    while (n == 33)
        sleep(1);
    return right(p, n);
}

int verify(const uint8_t *p, size_t n) { return right(p, n) == 0 && n > 0; }
int verify_yes(const uint8_t *p, size_t n) { return p != NULL && n < (size_t)-1; }
uint16_t update(uint16_t old, const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    uint32_t sum = (uint16_t)~old + (uint32_t)right(a, na) + (uint16_t)~right(b, nb);
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    return (uint16_t)~sum;
}
uint16_t update_reads_on(uint16_t old, const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    return update(old, a, na + (na & 1), b, nb + (nb & 1));
}
