/**
 * The hash by which the Java client finds the partition of a key: 32-bit MurmurHash2 with its own seed, as a signed number.
 *
 * @see https://github.com/apache/kafka/blob/4.1.0/clients/src/main/java/org/apache/kafka/common/utils/Utils.java#L490
 */
export function murmur2(key: Uint8Array): number {
  const { length } = key;
  const words = length & ~3;
  let hash = 0x9747b28c ^ length;
  for (let at = 0; at < words; at += 4) {
    let word = Math.imul(
      byteAt(key, at) | (byteAt(key, at + 1) << 8) | (byteAt(key, at + 2) << 16) | (byteAt(key, at + 3) << 24),
      mix,
    );
    word ^= word >>> 24;
    hash = Math.imul(hash, mix) ^ Math.imul(word, mix);
  }
  if (length > words) {
    for (let at = length - 1; at >= words; at--) hash ^= byteAt(key, at) << (8 * (at - words));
    hash = Math.imul(hash, mix);
  }
  hash = Math.imul(hash ^ (hash >>> 13), mix);
  return hash ^ (hash >>> 15);
}

const mix = 0x5bd1e995;

function byteAt(key: Uint8Array, at: number): number {
  return key[at] ?? 0; // never out of bounds
}
