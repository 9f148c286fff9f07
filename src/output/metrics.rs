//! Figures for Prometheus, as a file for the node exporter's textfile collector.

use super::file;
use crate::error::Result;
use std::fmt::Write;
use std::path::Path;

/// Gauges, in the text format of Prometheus.
#[derive(Debug, Default)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    /// Adds a gauge with a value for each set of labels (see [`labels`]); nothing where there is no value.
    pub fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
        let samples: Vec<(String, f64)> = samples.into_iter().collect();
        if samples.is_empty() {
            return;
        }
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let _ = writeln!(self.text, "{name}{labels} {value}");
        }
    }

    /// Adds a gauge with one value.
    pub fn value(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(String::new(), value)]);
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, path: &Path) -> Result<()> {
        file::replace(&file::target(path)?, self.text.as_bytes())
    }
}

/// Labels as a sample has them: `{database="shop",index="i"}`.
#[must_use]
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_has_its_help_once_and_its_labels_escaped() {
        let mut metrics = Metrics::default();
        metrics.gauge("m_rows", "Rows.", [(labels(&[("i", "a\"b\\c\nd")]), 3.0), (labels(&[("i", "x")]), 0.5)]);
        metrics.gauge("m_none", "Nothing.", []);
        metrics.value("m_up", "Up.", 1.0);
        let text = "# HELP m_rows Rows.\n# TYPE m_rows gauge\nm_rows{i=\"a\\\"b\\\\c\\nd\"} 3\nm_rows{i=\"x\"} 0.5\n\
                    # HELP m_up Up.\n# TYPE m_up gauge\nm_up 1\n";
        assert_eq!(metrics.text(), text);
    }
}
