//! The table of all RPCs, internal ones too.

use std::fmt::Write as _;

use prost_reflect::DescriptorPool;

use crate::model::snake_case;

const HEAD: &str = r#"
/// The names of one RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcName {
    /// Such as `/godwit.auth.v1.AuthService/Login`.
    pub path: &'static str,
    /// Such as `godwit.auth.v1.AuthService`.
    pub service: &'static str,
    /// Such as `Login`.
    pub method: &'static str,
    /// Such as `auth.login`.
    pub span: &'static str,
}
"#;

/// A Rust file with the table.
pub fn render(pool: &DescriptorPool) -> String {
    let mut code = String::from(HEAD);
    code.push_str("\n/// Every RPC of the contract.\npub const RPCS: &[RpcName] = &[\n");
    for service in pool.services() {
        let short = service.package_name().split('.').nth(1).unwrap_or_default();
        for method in service.methods() {
            let _ = writeln!(
                code,
                "    RpcName {{ path: \"/{service}/{method}\", service: {service:?}, method: {method:?}, span: \"{short}.{span}\" }},",
                service = service.full_name(),
                method = method.name(),
                span = snake_case(method.name()),
            );
        }
    }
    code.push_str("];\n");
    code
}
