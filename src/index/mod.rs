//! Vector indexes of pgvector that stay right: what there is, what it should be, rebuilding without a moment in which
//! queries have no index, and how well queries find what they look for.
//!
//! The guide's script (section 1.6) drops the index and builds it again: queries have none for the whole build, and when
//! the build fails it is gone. Here `ALTER INDEX … SET (lists)` and `REINDEX INDEX CONCURRENTLY` replace it, which keeps
//! name, operator class and comment, and leaves the old index serving until the new one is valid.
//!
//! | module | holds |
//! |---|---|
//! | [`catalogue`] | the indexes of a database, and what the server is |
//! | [`rule`] | lists and probes by the number of rows |
//! | [`memory`] | what a build takes |
//! | [`drift`] | how far the rows have moved away from the lists |
//! | [`plan`] | the verdict, and what a rebuild costs |
//! | [`obstacles`] | what stands in the way of a rebuild |
//! | [`progress`] | bars and spinners on stderr |
//! | [`rebuild`] | the sequence, and the way back when it fails |
//! | [`recall`] | exact against approximate |
//! | `sample` | rows taken at random, for drift and recall |
//! | [`note`] | what is remembered in the index's COMMENT |
//! | [`window`] | hours in which to start |
//! | [`metrics`] | Prometheus |

pub mod catalogue;
pub mod drift;
pub mod memory;
pub mod metrics;
pub mod note;
pub mod obstacles;
pub mod plan;
pub mod progress;
pub mod rebuild;
pub mod recall;
pub mod rule;
mod sample;
pub mod window;

use serde::Serialize;

/// The most lists pgvector allows.
pub const MAX_LISTS: u32 = 32_768;

/// The lists of an ivfflat index that says nothing of them.
pub const DEFAULT_LISTS: u32 = 100;

/// Connections a layer of an hnsw index that says nothing of them.
pub const DEFAULT_M: u32 = 16;

/// Candidates while building of an hnsw index that says nothing of them.
pub const DEFAULT_EF_CONSTRUCTION: u32 = 64;

/// `hnsw.ef_search` where nothing says otherwise.
pub const DEFAULT_EF_SEARCH: u32 = 40;

/// How an index finds its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Lists around centroids.
    Ivfflat,
    /// A graph in layers.
    Hnsw,
}

impl Method {
    /// As SQL writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Ivfflat => "ivfflat",
            Method::Hnsw => "hnsw",
        }
    }
}

/// The type of an indexed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit floats.
    Vector,
    /// 16-bit floats.
    Halfvec,
    /// Bits.
    Bit,
    /// Index and value pairs (hnsw only).
    Sparsevec,
}

impl Element {
    /// The type of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Element> {
        Some(match name {
            "vector" => Element::Vector,
            "halfvec" => Element::Halfvec,
            "bit" => Element::Bit,
            "sparsevec" => Element::Sparsevec,
            _ => return None,
        })
    }

    /// As SQL writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Element::Vector => "vector",
            Element::Halfvec => "halfvec",
            Element::Bit => "bit",
            Element::Sparsevec => "sparsevec",
        }
    }

    /// Bytes of one value, its header included. A sparse vector's depend on its content; taken as if an eighth of the
    /// dimensions held something.
    #[must_use]
    pub fn datum_bytes(self, dimensions: u32) -> u64 {
        let d = u64::from(dimensions);
        match self {
            Element::Vector => 8 + 4 * d,
            Element::Halfvec => 8 + 2 * d,
            Element::Bit => 8 + d.div_ceil(8),
            Element::Sparsevec => 12 + d,
        }
    }
}

/// What "near" means, by the operator class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// Negative inner product.
    InnerProduct,
    /// Cosine distance.
    Cosine,
    /// Taxicab distance (hnsw only).
    L1,
    /// Bits that differ.
    Hamming,
    /// Jaccard distance of bits (hnsw only).
    Jaccard,
}

impl Metric {
    /// The metric of an operator class of pgvector.
    #[must_use]
    pub fn of_opclass(name: &str) -> Option<Metric> {
        let (_, rest) = name.split_once('_')?;
        Some(match rest {
            "l2_ops" => Metric::L2,
            "ip_ops" => Metric::InnerProduct,
            "cosine_ops" => Metric::Cosine,
            "l1_ops" => Metric::L1,
            "hamming_ops" => Metric::Hamming,
            "jaccard_ops" => Metric::Jaccard,
            _ => return None,
        })
    }

    /// The operator a query orders by.
    #[must_use]
    pub fn operator(self) -> &'static str {
        match self {
            Metric::L2 => "<->",
            Metric::InnerProduct => "<#>",
            Metric::Cosine => "<=>",
            Metric::L1 => "<+>",
            Metric::Hamming => "<~>",
            Metric::Jaccard => "<%>",
        }
    }
}
