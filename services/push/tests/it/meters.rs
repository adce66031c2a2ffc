//! What is measured in one test, in the lines of an operator's page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Values by name and labels; of a histogram the sum and the count.
#[derive(Clone, Default)]
pub struct Meters(Arc<Mutex<BTreeMap<String, f64>>>);

impl Meters {
    /// Whether the page has this line.
    pub fn shows(&self, line: &str) -> Result<(), String> {
        let lines: Vec<String> = self.0.lock().unwrap().iter().map(|(name, value)| format!("{name} {value}")).collect();
        if lines.iter().any(|shown| shown == line) { Ok(()) } else { Err(format!("no {line} in {lines:#?}")) }
    }

    fn meter(&self, key: &Key) -> Arc<Meter> {
        let labels: Vec<String> = key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        Arc::new(Meter { meters: self.clone(), name: key.name().to_owned(), labels })
    }
}

/// One of them.
struct Meter {
    meters: Meters,
    name: String,
    labels: String,
}

impl Meter {
    fn change(&self, suffix: &str, change: impl FnOnce(&mut f64)) {
        let line = format!("{}{suffix}{}", self.name, self.labels);
        change(self.meters.0.lock().unwrap().entry(line).or_default());
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl CounterFn for Meter {
    fn increment(&self, by: u64) {
        self.change("", |value| *value += number(by));
    }

    fn absolute(&self, to: u64) {
        self.change("", |value| *value = value.max(number(to)));
    }
}

impl GaugeFn for Meter {
    fn increment(&self, by: f64) {
        self.change("", |value| *value += by);
    }

    fn decrement(&self, by: f64) {
        self.change("", |value| *value -= by);
    }

    fn set(&self, to: f64) {
        self.change("", |value| *value = to);
    }
}

impl HistogramFn for Meter {
    fn record(&self, recorded: f64) {
        self.change("_sum", |value| *value += recorded);
        self.change("_count", |value| *value += 1.0);
    }
}

impl Recorder for Meters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.meter(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.meter(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.meter(key))
    }
}
