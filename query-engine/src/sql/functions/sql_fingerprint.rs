//! `sql_fingerprint(text [, dialect])`: sixteen hexadecimal digits for all statements that differ in values alone. What it does is
//! [`statements::fingerprint`]'s to say.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    scalar_doc_sections::DOC_SECTION_STRING,
};
use statements::fingerprint;

use super::text;

const NAME: &str = "sql_fingerprint";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SqlFingerprint {
    signature: Signature,
}

impl Default for SqlFingerprint {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for SqlFingerprint {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        text::coerce(NAME, types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        text::result_type(NAME, types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        text::map(NAME, &args, |text, dialect| fingerprint(text, dialect).to_string())
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(
                DOC_SECTION_STRING,
                "Sixteen hexadecimal digits, the same for statements that differ in nothing but values, layout and case.",
                "sql_fingerprint(text [, dialect])",
            )
            .with_sql_example(
                "SELECT sql_fingerprint(query, 'mysql') AS id, min(query), count(*) FROM mysql_events GROUP BY id",
            )
            .with_argument("text", "The statement as it was sent, whole or cut; of NULL the result is NULL.")
            .with_argument("dialect", "'postgresql' or 'mysql'; without it, what is safe in both.")
            .build()
        });
        Some(&DOCUMENTATION)
    }
}
