use std::time::Duration;

use godwit_testkit::eventually;

use crate::process::Fixture;

const DEADLINE: Duration = Duration::from_secs(30);

fn errors(log: &[String]) -> Vec<&String> {
    log.iter().filter(|line| line.contains("\"level\":\"ERROR\"")).collect()
}

fn place(log: &[String], part: &str) -> usize {
    log.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} is not in {log:#?}"))
}

#[tokio::test]
async fn sigterm_ends_a_process_in_order() {
    for signal in ["TERM", "INT"] {
        let fixture = Fixture::ready(&[]).await;
        fixture.signal(signal).await;
        let (status, log) = fixture.ended().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
        assert!(place(&log, "draining") < place(&log, "the edge stops"));
        assert!(place(&log, "the edge stops") < place(&log, "the worker stops"));
        assert_eq!(errors(&log), Vec::<&String>::new());
    }
}

#[tokio::test]
async fn a_task_that_fails_takes_the_process_down_with_one_error() {
    let (status, log) = Fixture::start(&[("FIXTURE_TASK", "error")]).ended().await;
    assert_eq!(status.code(), Some(1), "{log:#?}");
    let errors = errors(&log);
    assert_eq!(errors.len(), 1, "{log:#?}");
    assert!(errors[0].contains("culprit") && errors[0].contains("out of paper"), "{}", errors[0]);
    place(&log, "the worker stops");
}

#[tokio::test]
async fn a_task_that_panics_takes_the_process_down() {
    let (status, log) = Fixture::start(&[("FIXTURE_TASK", "panic")]).ended().await;
    assert_eq!(status.code(), Some(1), "{log:#?}");
    let told = errors(&log);
    assert!(told.iter().any(|line| line.contains("fixture.rs") && line.contains("out of ink")), "{log:#?}");
    assert!(told.iter().any(|line| line.contains("culprit")), "{log:#?}");
}

#[tokio::test]
async fn a_draining_process_serves_on_but_says_that_it_is_not_ready() {
    let fixture = Fixture::ready(&[("GODWIT_SHUTDOWN_DELAY_SECS", "300")]).await;
    assert_eq!(fixture.admin("/health/ready").await.0, 200);
    fixture.signal("TERM").await;
    let (status, body) = eventually(DEADLINE, || async {
        let answer = fixture.admin("/health/ready").await;
        (answer.0 != 200).then_some(answer)
    })
    .await;
    assert_eq!(status, 503);
    assert!(body.contains("\"phase\":\"draining\""), "{body}");
    assert_eq!(fixture.admin("/health/live").await, (200, "live\n".to_owned()));
    // A second signal is for the impatient.
    fixture.signal("TERM").await;
    assert_eq!(fixture.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn readiness_follows_a_required_check_and_not_a_degrading_one() {
    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("on");
    let fixture = Fixture::ready(&[("FIXTURE_SWITCH", switch.to_str().unwrap())]).await;
    let becomes = async |wanted: u16| {
        eventually(DEADLINE, || async {
            let (status, body) = fixture.admin("/health/ready").await;
            (status == wanted).then_some(body)
        })
        .await
    };
    let report: serde_json::Value = serde_json::from_str(&becomes(503).await).unwrap();
    let check = |name: &str| report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(check("switch")["error"], "switched off");
    assert_eq!((check("events")["ok"].as_bool(), check("events")["required"].as_bool()), (Some(false), Some(false)));
    std::fs::write(&switch, "").unwrap();
    becomes(200).await;
    std::fs::remove_file(&switch).unwrap();
    becomes(503).await;
}

#[tokio::test]
async fn metrics_are_served_for_prometheus() {
    let fixture = Fixture::ready(&[("FIXTURE_NUMBER", "7")]).await;
    let (status, body) = fixture.admin("/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("godwit_fixture_total 7"), "{body}");
    assert!(body.contains("godwit_fixture_seconds_bucket{le=\"0.005\"} 1"), "{body}");
    assert!(body.contains("godwit_build_info{version="), "{body}");
    assert!(body.contains("godwit_tasks_running{task=\"worker\"} 1"), "{body}");
}
