//! The paths that a source file mentions, whether in `use`, in expressions or in types.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every path of the file from its root on, `crate` and `super` resolved: `crate::app::Send` comes as
/// `["crate", "app", "Send"]`, `diesel::insert_into` as `["diesel", "insert_into"]`. Groups in `use` are spread out.
/// What stands under `#[cfg(test)]` is left out.
pub fn of_source(source: &str, module: &[&str]) -> Vec<Vec<String>> {
    let tokens: TokenStream = source.parse().unwrap();
    let mut paths = Vec::new();
    collect(tokens, module, &mut paths);
    paths
}

fn collect(tokens: TokenStream, module: &[&str], paths: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    // The name after `mod`, in case its body follows.
    let mut inner: Option<String> = None;
    let mut is_test = false;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                is_test |= matches!(after.first(), Some(TokenTree::Group(group)) if is_cfg_test(&group.stream()));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => (inner, is_test) = (None, false),
            TokenTree::Ident(ident) if ident == "mod" => {
                inner = after.first().map(ToString::to_string);
            }
            TokenTree::Ident(_) => rest = path(token, after, module, paths),
            TokenTree::Group(group) => {
                let is_body = group.delimiter() == Delimiter::Brace;
                if !(is_body && is_test) {
                    let mut within = module.to_vec();
                    within.extend(inner.as_deref().filter(|_| is_body));
                    collect(group.stream(), &within, paths);
                }
                if is_body {
                    (inner, is_test) = (None, false);
                }
            }
            _ => {}
        }
    }
}

fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text == "cfg(test)"
}

/// Reads the path that begins with `first`, and returns what follows it.
fn path<'a>(
    first: &TokenTree,
    mut rest: &'a [TokenTree],
    module: &[&str],
    paths: &mut Vec<Vec<String>>,
) -> &'a [TokenTree] {
    let mut segments = vec![first.to_string()];
    loop {
        rest = match rest {
            [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), after @ ..] if is_colons(a, b) => {
                segments.push(next.to_string());
                after
            }
            [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Group(group), after @ ..]
                if is_colons(a, b) && group.delimiter() == Delimiter::Brace =>
            {
                spread(&segments, group.stream(), module, paths);
                return after;
            }
            _ => break,
        };
    }
    if segments.len() > 1 {
        paths.push(resolve(segments, module));
    }
    rest
}

/// The paths of `prefix::{a, b::c}`.
fn spread(prefix: &[String], group: TokenStream, module: &[&str], paths: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = group.into_iter().collect();
    for item in tokens.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
        let mut segments = prefix.to_vec();
        for token in item {
            match token {
                TokenTree::Ident(ident) if ident == "as" => break,
                TokenTree::Ident(ident) => segments.push(ident.to_string()),
                TokenTree::Group(group) => {
                    spread(&segments, group.stream(), module, paths);
                    segments.clear();
                }
                _ => {}
            }
        }
        if segments.len() > prefix.len() {
            paths.push(resolve(segments, module));
        }
    }
}

fn is_colons(a: &proc_macro2::Punct, b: &proc_macro2::Punct) -> bool {
    a.as_char() == ':' && b.as_char() == ':'
}

fn resolve(segments: Vec<String>, module: &[&str]) -> Vec<String> {
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let from_self = usize::from(segments.first().is_some_and(|segment| segment == "self"));
    if supers == 0 && from_self == 0 {
        return segments;
    }
    let kept = module.len().saturating_sub(supers);
    let base = std::iter::once("crate").chain(module.iter().take(kept).copied()).map(str::to_owned);
    base.chain(segments.into_iter().skip(supers.max(from_self))).collect()
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let source = r#"
        //! crate::comment::is_not_one
        use crate::{app::Send, store::{self, heads::Head as H}};
        use super::super::domain::Seq;
        use self::inner::Thing;
        fn f() -> diesel::QueryResult<()> { info!(x = crate::events::outgoing::y("crate::text::too")); Ok(()) }
        mod inner { use super::Sibling; }
        #[cfg(test)]
        mod tests { use crate::testing::Only; }
        fn g(a: rdkafka::Message) {}
    "#;
    let found: Vec<String> = of_source(source, &["grpc", "send"]).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        [
            "crate::app::Send",
            "crate::store::self",
            "crate::store::heads::Head",
            "crate::domain::Seq",
            "crate::grpc::send::inner::Thing",
            "diesel::QueryResult",
            "crate::events::outgoing::y",
            "crate::grpc::send::Sibling",
            "rdkafka::Message",
        ]
    );
}
