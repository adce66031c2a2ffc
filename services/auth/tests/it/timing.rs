use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::harness::{Harness, Person, device};

/// A cost that no other test uses: the histogram tells its hashes apart.
const COST: u32 = 9;
const ROUNDS: usize = 40;

static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());

/// How many hashes of this cost were computed in this process.
fn hash_count() -> u64 {
    METRICS.run_upkeep();
    let wanted = format!("godwit_auth_password_hash_seconds_count{{cost=\"{COST}\"}} ");
    let rendered = METRICS.render();
    rendered.lines().find_map(|line| line.strip_prefix(&wanted)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_costs_one_hash_whether_its_account_is_known() {
    LazyLock::force(&METRICS);
    let harness = Harness::with(&[&format!("--auth-bcrypt-cost={COST}")]).await;
    let person = harness.account().await;
    let own = device();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Each failure is its account's first of the day.
        harness.advance(Duration::from_secs(25 * 3_600));
        let stranger = Person::new();
        for (login, times) in [(&person.email, &mut known), (&stranger.email, &mut unknown)] {
            let before = hash_count();
            let started_at = Instant::now();
            let refused = harness.login(login, "a wrong password", &own).await.unwrap_err();
            times.push(started_at.elapsed());
            assert_eq!(refused.reason, "BAD_CREDENTIALS");
            assert_eq!(hash_count() - before, 1);
        }
    }
    let (known, unknown) = (spread(known), spread(unknown));
    // Unlike println, this is not kept back by the test harness; nothing can be done when it fails.
    let _ =
        writeln!(std::io::stderr(), "failed logins, median (quartiles) of {ROUNDS}: known {known}, unknown {unknown}");
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[times.len() * share / 4].as_secs_f64() * 1_000.0;
    format!("{:.2} ms ({:.2} to {:.2})", at(2), at(1), at(3))
}
