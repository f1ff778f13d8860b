//! The interfaces as toolchains emit them, and their calls as JSON.

use chimera_agent_sdk::prelude::*;

wit_bindgen::generate!({
    inline: r#"
        package tests:keeper;

        world drafts {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
        }
    "#,
    path: [
        "../../drafts/keyvalue-draft.wit",
        "../../drafts/keyvalue-draft2.wit",
        "../../drafts/config.wit",
        "../../drafts/logging.wit",
    ],
    world: "tests:keeper/drafts",
    generate_all,
});

pub(crate) fn config(key: &str) -> Value {
    json!(wasi::config::store::get(key).ok())
}

pub(crate) fn config_all() -> Value {
    json!(wasi::config::store::get_all().ok())
}

pub(crate) fn log(context: &str, message: &str) -> Value {
    use wasi::logging::logging;
    logging::log(logging::Level::Critical, context, message);
    json!(null)
}

/// Bytes as text, so that tests can read them.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The calls that both drafts have, on the types of one of them.
macro_rules! draft {
    ($name:ident, $store:path, $atomics:path, $batch:path, $cursor:ty, $delta:ty, $pair:expr) => {
        pub(crate) mod $name {
            use chimera_agent_sdk::prelude::*;
            use $atomics as atomics;
            use $batch as batch;
            use $store as store;

            use super::text;

            #[derive(Deserialize)]
            #[serde(crate = "serde", rename_all = "kebab-case", tag = "do")]
            pub(crate) enum Operation {
                Get { key: String },
                Exists { key: String },
                Set { key: String, value: String },
                /// A value of so many bytes.
                Fill { key: String, bytes: usize },
                Delete { key: String },
                List { cursor: Option<$cursor> },
                Increment { key: String, delta: $delta },
                GetMany { keys: Vec<String> },
                SetMany { pairs: Vec<(String, String)> },
                DeleteMany { keys: Vec<String> },
                #[serde(untagged)]
                Own(super::own::$name),
            }

            #[derive(Deserialize)]
            #[serde(crate = "serde")]
            pub(crate) struct Call {
                bucket: String,
                #[serde(flatten)]
                what: Operation,
            }

            impl Call {
                pub(crate) fn make(self) -> Value {
                    match store::open(&self.bucket).and_then(|bucket| self.what.make(&bucket)) {
                        Ok(answer) => answer,
                        Err(error) => json!({ "error": format!("{error:?}") }),
                    }
                }
            }

            impl Operation {
                fn make(self, bucket: &store::Bucket) -> Result<Value, store::Error> {
                    Ok(match self {
                        Operation::Get { key } => json!(bucket.get(&key)?.map(text)),
                        Operation::Exists { key } => json!(bucket.exists(&key)?),
                        Operation::Set { key, value } => json!(bucket.set(&key, value.as_bytes())?),
                        Operation::Fill { key, bytes } => json!(bucket.set(&key, &vec![b'x'; bytes])?),
                        Operation::Delete { key } => json!(bucket.delete(&key)?),
                        Operation::List { cursor } => {
                            let page = bucket.list_keys(super::own::cursor(&cursor))?;
                            json!({ "keys": page.keys, "cursor": page.cursor })
                        }
                        Operation::Increment { key, delta } => {
                            json!(atomics::increment(bucket, &key, delta)?)
                        }
                        Operation::GetMany { keys } => {
                            let pairs = batch::get_many(bucket, &keys)?;
                            json!(pairs.into_iter().map($pair).collect::<Vec<_>>())
                        }
                        Operation::SetMany { pairs } => {
                            let pairs = pairs.into_iter().map(|(k, v)| (k, v.into_bytes()));
                            json!(batch::set_many(bucket, &pairs.collect::<Vec<_>>())?)
                        }
                        Operation::DeleteMany { keys } => json!(batch::delete_many(bucket, &keys)?),
                        Operation::Own(own) => own.make(bucket)?,
                    })
                }
            }
        }
    };
}
