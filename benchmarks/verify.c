/* The same job as `pktlab checksum verify` on plain captures, written by hand, for the table of `make bench`.
 *
 * Reads a little-endian pcap of Ethernet in windows of 1 MiB; follows VLAN tags, IPv4 and IPv6 without options or
 * extension headers; sums the IPv4 header, UDP and TCP; prints how many sums are good, bad, partial and absent.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 1 << 20 };
static uint8_t window[WINDOW + 64];
static long packets, counts[3][4]; /* ip, udp, tcp; good, bad, partial, absent */

static uint32_t big16(const uint8_t *p) { return p[0] << 8 | p[1]; }

static uint64_t sum(const uint8_t *p, long size)
{
    uint64_t total = 0;
    uint32_t word;
    for (; size >= 4; p += 4, size -= 4) {
        memcpy(&word, p, 4);
        total += word;
    }
    if (size >= 2) {
        total += p[0] | p[1] << 8;
        p += 2, size -= 2;
    }
    return size ? total + p[0] : total;
}

static uint32_t fold(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static void judge(int row, uint64_t total, uint64_t front, uint32_t stored)
{
    if (fold(total) == 0xffff)
        counts[row][0]++;
    else if (row && stored == fold(front))
        counts[row][2]++;
    else
        counts[row][1]++;
}

static void packet(const uint8_t *p, long size)
{
    const uint8_t *end = p + size;
    if (size < 14)
        return;
    uint32_t type = big16(p + 12);
    p += 14;
    while ((type == 0x8100 || type == 0x88a8) && p + 4 <= end) {
        type = big16(p + 2);
        p += 4;
    }
    uint32_t protocol, header, length;
    const uint8_t *addresses;
    int width;
    if (type == 0x0800 && p + 20 <= end) {
        header = (p[0] & 15) * 4, length = big16(p + 2), protocol = p[9], addresses = p + 12, width = 4;
        if (header < 20 || p + header > end || length < header)
            return;
        judge(0, sum(p, header), 0, 0);
        if (header > 20 || big16(p + 6) & 0x3fff)
            return;
        length -= header;
    } else if (type == 0x86dd && p + 40 <= end) {
        header = 40, length = big16(p + 4), protocol = p[6], addresses = p + 8, width = 16;
    } else
        return;
    p += header;
    if (p + length > end || (protocol != 6 && protocol != 17))
        return;
    if (protocol == 17) {
        if (length < 8 || big16(p + 4) > length)
            return;
        length = big16(p + 4);
    } else if (length < 20)
        return;
    uint32_t at = protocol == 17 ? 6 : 16, stored;
    stored = p[at] | p[at + 1] << 8;
    if (protocol == 17 && !stored) {
        counts[1][3]++;
        return;
    }
    uint64_t front = sum(addresses, 2 * width) + (protocol << 8) + ((length & 0xff) << 8 | length >> 8);
    judge(protocol == 17 ? 1 : 2, sum(p, length) + front, front, stored);
}

int main(int argc, char **argv)
{
    int file = open(argv[argc - 1], O_RDONLY);
    if (file < 0 || read(file, window, 24) != 24)
        return 2;
    long have = 0, got;
    while ((got = read(file, window + have, WINDOW - have)) > 0) {
        long at = 0;
        have += got;
        while (at + 16 <= have) {
            uint32_t size;
            memcpy(&size, window + at + 8, 4);
            if (at + 16 + (long)size > have)
                break;
            packet(window + at + 16, size);
            packets++;
            at += 16 + size;
        }
        memmove(window, window + at, have - at);
        have -= at;
    }
    printf("%ld packets", packets);
    for (int row = 0; row < 3; row++)
        printf("; %s %ld %ld %ld %ld", (const char *[]){"ip", "udp", "tcp"}[row], counts[row][0], counts[row][1],
               counts[row][2], counts[row][3]);
    printf("\n");
    return 0;
}
