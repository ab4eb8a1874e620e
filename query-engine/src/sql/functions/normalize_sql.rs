//! `normalize_sql(text [, dialect])`: a statement with `?` for its values. What it does is [`statements::normalize`]'s to say.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    scalar_doc_sections::DOC_SECTION_STRING,
};

use super::text;

const NAME: &str = "normalize_sql";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NormalizeSql {
    signature: Signature,
}

impl Default for NormalizeSql {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NormalizeSql {
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
        text::map(NAME, &args, statements::normalize)
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(
                DOC_SECTION_STRING,
                "A statement with ? for its values, in one layout, lists of any length as one.",
                "normalize_sql(text [, dialect])",
            )
            .with_sql_example(
                "SELECT normalize_sql(query, 'postgresql') AS statement, count(*) FROM postgres_events GROUP BY statement",
            )
            .with_argument("text", "The statement as it was sent, whole or cut; of NULL the result is NULL.")
            .with_argument("dialect", "'postgresql' or 'mysql'; without it, what is safe in both.")
            .build()
        });
        Some(&DOCUMENTATION)
    }
}
