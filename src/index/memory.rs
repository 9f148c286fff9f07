//! Memory an index build takes, to the byte where pgvector checks it.
//!
//! For ivfflat, pgvector adds up what k-means needs and refuses when it exceeds `maintenance_work_mem`; the sum below
//! was compared with the server's limit for every type (pgvector 0.8.6, `ivfbuild.c` and `ivfkmeans.c`).

use super::{Element, MAX_LISTS};
use crate::units::KB;

/// `VECTOR_ARRAY`'s header and the allocation around it.
const ARRAY: u64 = 32;

/// What the memory of an ivfflat build depends on, the number of lists aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Type of the indexed value.
    pub element: Element,
    /// Its dimensions.
    pub dimensions: u32,
    /// Pages of the table.
    pub heap_blocks: u64,
    /// Size of a page in bytes.
    pub block_bytes: u64,
    /// Rows that are not NULL.
    pub rows: u64,
}

impl Shape {
    /// Bytes one value takes in an array of the build.
    fn item(&self) -> u64 {
        self.element.datum_bytes(self.dimensions).next_multiple_of(8)
    }

    /// Vectors that k-means samples at most.
    fn samples(&self, lists: u64) -> u64 {
        // MaxHeapTuplesPerPage: a page less its header, over the smallest tuple and its line pointer.
        let per_page = self.block_bytes.saturating_sub(24) / 28;
        (50 * lists).max(10_000).min(self.heap_blocks.saturating_mul(per_page)).max(1)
    }

    /// Bytes a build with that many lists needs.
    #[must_use]
    pub fn ivfflat_bytes(&self, lists: u32) -> u64 {
        let (l, d) = (u64::from(lists), u64::from(self.dimensions));
        let samples = self.samples(l);
        let n = samples.min(self.rows);
        let mut bytes = ARRAY + l * self.item() + ARRAY + samples * self.item();
        if n > 0 {
            bytes += ARRAY + l * self.item() + 4 * l * d + 12 * l + 8 * n + 4 * n * l + 4 * l * l;
        }
        bytes
    }

    /// The smallest `maintenance_work_mem` with which a build with that many lists passes, in kB.
    #[must_use]
    pub fn ivfflat_kb(&self, lists: u32) -> u64 {
        self.ivfflat_bytes(lists) / KB
    }

    /// The most lists whose build fits into that many bytes; `None` where not even one does.
    #[must_use]
    pub fn most_lists(&self, bytes: u64) -> Option<u32> {
        let fits = |lists: u32| self.ivfflat_kb(lists) <= bytes / KB;
        if !fits(1) {
            return None;
        }
        let (mut low, mut high) = (1, MAX_LISTS);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        Some(low)
    }
}

/// Bytes the graph of an hnsw build takes while it is held in memory (measured to a few per cent); a smaller
/// `maintenance_work_mem` makes the build slower, not impossible.
#[must_use]
pub fn hnsw_bytes(rows: u64, element: Element, dimensions: u32, m: u32) -> u64 {
    rows.saturating_mul(element.datum_bytes(dimensions).saturating_sub(8) + 32 * u64::from(m) + 205)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(element: Element, dimensions: u32, rows: u64) -> Shape {
        Shape { element, dimensions, heap_blocks: rows.div_ceil(10), block_bytes: 8192, rows }
    }

    #[test]
    fn ten_million_rows_of_768_dimensions_need_some_twenty_gigabytes_by_the_guides_rule() {
        let shape = shape(Element::Vector, 768, 10_000_000);
        let gb = shape.ivfflat_bytes(10_000) as f64 / crate::units::GB as f64;
        assert!((20.0..21.0).contains(&gb), "{gb}");
        let gb = shape.ivfflat_bytes(3_162) as f64 / crate::units::GB as f64;
        assert!((2.2..2.6).contains(&gb), "{gb}");
    }

    #[test]
    fn an_empty_table_needs_the_arrays_only() {
        let empty = Shape { element: Element::Vector, dimensions: 3, heap_blocks: 0, block_bytes: 8192, rows: 0 };
        assert_eq!(empty.ivfflat_bytes(100), 32 + 100 * 24 + 32 + 24);
        // 32 + 24L + 32 + 24 is below one kB up to 38 lists.
        assert_eq!(empty.most_lists(0), Some(38));
    }

    proptest! {
        #[test]
        fn the_most_lists_fit_and_one_more_does_not(
            element in prop_oneof![Just(Element::Vector), Just(Element::Halfvec), Just(Element::Bit)],
            dimensions in 1u32..2000, rows in 0u64..50_000_000, bytes in 0u64..(64 << 30),
        ) {
            let shape = shape(element, dimensions, rows);
            match shape.most_lists(bytes) {
                None => prop_assert!(shape.ivfflat_kb(1) > bytes / KB),
                Some(most) => {
                    prop_assert!(shape.ivfflat_kb(most) <= bytes / KB);
                    prop_assert!(most == MAX_LISTS || shape.ivfflat_kb(most + 1) > bytes / KB);
                }
            }
        }
    }
}
