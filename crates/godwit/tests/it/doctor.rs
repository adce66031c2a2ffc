use godwit_testkit::TestDb;

use crate::command::Godwit;

#[tokio::test]
async fn a_sound_machine_is_told_so() {
    let db = TestDb::empty().await;
    let godwit = Godwit::on(&db);
    assert_eq!(godwit.run(&["migrate"]).await.code, Some(0));
    let said = godwit.run(&["doctor"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.lines().all(|line| line.starts_with("ok ")), "{}", said.stdout);
    for part in ["database auth", "database events", "live", "events", "auth: mail"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
}

#[tokio::test]
async fn a_database_that_is_not_migrated_fails_with_what_to_do() {
    let db = TestDb::empty().await;
    let said = Godwit::on(&db).run(&["doctor", "--target=push"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.line("FAIL  database push: ").contains("`godwit migrate`"), "{}", said.stdout);
}

#[tokio::test]
async fn each_part_that_is_down_has_a_line_of_its_own() {
    let db = TestDb::empty().await;
    let godwit = Godwit::on(&db)
        .with("GODWIT_LIVE", "redis")
        .with("GODWIT_REDIS_URL", "redis://127.0.0.1:1")
        .with("GODWIT_EVENTS", "kafka")
        .with("GODWIT_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        .with("GODWIT_CHAT_ENDPOINTS", "http://127.0.0.1:1,http://127.0.0.1:2");
    assert_eq!(godwit.run(&["migrate"]).await.code, Some(0));
    let said = godwit.run(&["doctor", "--target=push"]).await;
    assert_eq!(said.code, Some(1));
    said.line("ok    database push: ");
    assert!(said.line("FAIL  live (Redis): ").contains("GODWIT_REDIS_URL"));
    assert!(said.line("FAIL  events (Kafka): ").contains("GODWIT_KAFKA_BOOTSTRAP_SERVERS"));
    assert!(said.line("FAIL  chat at http://127.0.0.1:1: ").contains("GODWIT_CHAT_ENDPOINTS"));
    said.line("FAIL  chat at http://127.0.0.1:2: ");
    assert!(!said.stdout.contains("database events"), "Kafka carries the stream: {}", said.stdout);
}

#[tokio::test]
async fn certificates_that_cannot_be_read_fail() {
    let db = TestDb::empty().await;
    let godwit = Godwit::on(&db)
        .with("GODWIT_GRPC_TLS_CERT", "/nowhere/cert.pem")
        .with("GODWIT_GRPC_TLS_KEY", "/nowhere/key.pem")
        .with("GODWIT_GRPC_TLS_CA", "/nowhere/ca.pem");
    let said = godwit.run(&["doctor", "--target=gateway"]).await;
    assert!(said.line("FAIL  certificates: ").contains("GODWIT_GRPC_TLS_CERT"), "{}", said.stdout);
}
