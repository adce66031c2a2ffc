use crate::process::Fixture;

type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// Starts a process that must not start, and returns what it said.
async fn refusal(variables: &[(&str, &str)]) -> String {
    let (status, log) = Fixture::start(variables).ended().await;
    assert!(!status.success(), "{log:#?}");
    log.join("\n")
}

#[tokio::test]
async fn an_error_at_start_names_the_variable() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases: [Case; 16] = [
        (&[("FIXTURE_NUMBER", "256")], &["FIXTURE_NUMBER", "256"]),
        (&[("GODWIT_KAFKA_BOOTSTRAP_SERVERS", "")], &["GODWIT_KAFKA_BOOTSTRAP_SERVERS"]),
        (&[("GODWIT_LIVE", "redis")], &["GODWIT_REDIS_URL"]),
        (&[("GODWIT_LIVE", "redis"), ("GODWIT_REDIS_URL", "nonsense")], &["GODWIT_REDIS_URL"]),
        (&[("GODWIT_LIVE", "paper")], &["GODWIT_LIVE", "memory", "redis"]),
        (&[("GODWIT_EVENTS", "postgres")], &["GODWIT_DATABASE_URL", "GODWIT_EVENTS_DATABASE_URL"]),
        (&[("FIXTURE_DATABASE", "true")], &["GODWIT_DATABASE_URL", "GODWIT_FIXTURE_DATABASE_URL"]),
        (
            &[("FIXTURE_DATABASE", "true"), ("GODWIT_DATABASE_URL", "postgres://db/godwit")],
            &["GODWIT_DATABASE_ROLE_PASSWORD"],
        ),
        (
            &[("FIXTURE_DATABASE", "true"), ("GODWIT_FIXTURE_DATABASE_URL", "postgres://db/godwit?sslmode=maybe")],
            &["GODWIT_FIXTURE_DATABASE_URL", "sslmode"],
        ),
        (&[("GODWIT_GRPC_LISTEN", "everywhere")], &["GODWIT_GRPC_LISTEN", "off"]),
        (&[("GODWIT_GRPC_LISTEN", "off")], &["GODWIT_GRPC_LISTEN=off"]),
        (&[("GODWIT_GRPC_LISTEN", &taken)], &["GODWIT_GRPC_LISTEN", "in use"]),
        (&[("GODWIT_ADMIN_LISTEN", &taken)], &["GODWIT_ADMIN_LISTEN", "in use"]),
        (
            &[("GODWIT_GRPC_TLS_CERT", "/nowhere.pem")],
            &["GODWIT_GRPC_TLS_CERT", "GODWIT_GRPC_TLS_KEY", "GODWIT_GRPC_TLS_CA"],
        ),
        (&[("GODWIT_AUTH_ENDPOINTS", "auth:9090")], &["GODWIT_AUTH_ENDPOINTS", "auth:9090"]),
        (&[("GODWIT_LOG", "godwit=loud")], &["GODWIT_LOG"]),
    ];
    for (variables, expected) in cases {
        let said = refusal(variables).await;
        for part in expected {
            assert!(said.contains(part), "{variables:?}: {part} is not in\n{said}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown_when_a_process_does_not_start() {
    let said = refusal(&[
        ("GODWIT_LOG", "trace"),
        ("FIXTURE_DATABASE", "true"),
        ("GODWIT_DATABASE_URL", "postgres://boss:hunter2@db:port/godwit"),
        ("GODWIT_DATABASE_ROLE_PASSWORD", "hunter2"),
    ])
    .await;
    assert!(said.contains("GODWIT_DATABASE_URL") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn an_empty_variable_is_not_set() {
    Fixture::ready(&[("FIXTURE_NUMBER", ""), ("GODWIT_REDIS_URL", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).await;
}

#[tokio::test]
async fn memory_between_processes_is_warned_of() {
    let fixture = Fixture::ready(&[]).await;
    assert!(fixture.wait_for_log("GODWIT_LIVE=memory").await.contains("WARN"));
}
