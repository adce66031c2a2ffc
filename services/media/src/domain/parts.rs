/// Each part of a multipart upload but the last, in bytes: S3 takes at most 10,000 parts of at least 5 MiB.
pub const PART_BYTES: u64 = 8 * 1024 * 1024;

/// How many parts so many bytes come in.
pub fn part_count(size_bytes: u64) -> u32 {
    u32::try_from(size_bytes.div_ceil(PART_BYTES)).unwrap_or(u32::MAX)
}

/// Of the part of this number, from 1 on, of an upload of so many bytes.
pub fn part_size(size_bytes: u64, number: u16) -> u64 {
    let before = u64::from(number.saturating_sub(1)) * PART_BYTES;
    size_bytes.saturating_sub(before).min(PART_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for size_bytes in [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 << 30] {
            let count = u16::try_from(part_count(size_bytes)).unwrap();
            let sizes: Vec<u64> = (1..=count).map(|number| part_size(size_bytes, number)).collect();
            assert_eq!(sizes.iter().sum::<u64>(), size_bytes);
            assert!(sizes.iter().all(|size| (1..=PART_BYTES).contains(size)), "{sizes:?}");
        }
    }
}
