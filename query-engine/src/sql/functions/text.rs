//! What functions of a statement's text have in common: text in any of Arrow's forms, an optional dialect, and text out.
//!
//! Text in a dictionary is worked on once for each different value, and stays in a dictionary.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait, StringArrayType};
use arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use statements::Dialect;

/// The types in which the arguments are wanted: text as it is, the dialect as plain text.
pub(super) fn coerce(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let (text, dialect) = match types {
        [text] => (text, None),
        [text, dialect] => (text, Some(dialect)),
        _ => return plan_err!("{name} takes a statement's text and optionally its dialect, not {} arguments", types.len()),
    };
    let Some(text) = wanted(text) else { return plan_err!("{name} takes text, not {text}") };
    match dialect {
        None => Ok(vec![text]),
        Some(dialect) if wanted(dialect).is_some() => Ok(vec![text, DataType::Utf8]),
        Some(dialect) => plan_err!("the dialect of {name} is text, not {dialect}"),
    }
}

fn wanted(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(ty.clone()),
        DataType::Null => Some(DataType::Utf8),
        DataType::Dictionary(_, values) => {
            matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View).then(|| ty.clone())
        }
        _ => None,
    }
}

/// The form of the result: that of the text, but never a view.
pub(super) fn result_type(name: &str, types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Dictionary(keys, values)) => {
            Ok(DataType::Dictionary(keys.clone(), Box::new(result_type(name, std::slice::from_ref(values))?)))
        }
        Some(DataType::LargeUtf8) => Ok(DataType::LargeUtf8),
        Some(_) => Ok(DataType::Utf8),
        None => plan_err!("{name} takes a statement's text"),
    }
}

/// What `of` gives for each text; NULL for NULL, and for a dialect that is NULL.
pub(super) fn map(name: &str, args: &ScalarFunctionArgs, of: impl Fn(&str, Dialect) -> String) -> Result<ColumnarValue> {
    let Some(text) = args.args.first() else { return plan_err!("{name} takes a statement's text") };
    match args.args.get(1) {
        None => with_dialect(name, text, |text| of(text, Dialect::Unknown)),
        Some(ColumnarValue::Scalar(dialect)) => match dialect.try_as_str().flatten() {
            None => Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?)),
            Some(dialect) => {
                let dialect = named(name, dialect)?;
                with_dialect(name, text, |text| of(text, dialect))
            }
        },
        Some(ColumnarValue::Array(dialects)) => {
            let texts = arrow::compute::cast(&text.to_array(args.number_rows)?, &DataType::Utf8)?;
            let pairs = as_string_array(&texts)?.iter().zip(as_string_array(dialects)?);
            let results = pairs
                .map(|(text, dialect)| match (text, dialect) {
                    (Some(text), Some(dialect)) => Ok(Some(of(text, named(name, dialect)?))),
                    _ => Ok(None),
                })
                .collect::<Result<GenericStringArray<i32>>>()?;
            Ok(ColumnarValue::Array(arrow::compute::cast(&results, args.return_type())?))
        }
    }
}

fn named(name: &str, dialect: &str) -> Result<Dialect> {
    match Dialect::named(dialect) {
        Some(dialect) => Ok(dialect),
        None => exec_err!("{name} knows the dialects 'postgresql' and 'mysql', not '{dialect}'"),
    }
}

fn with_dialect(name: &str, text: &ColumnarValue, of: impl Fn(&str) -> String) -> Result<ColumnarValue> {
    match text {
        ColumnarValue::Array(texts) => Ok(ColumnarValue::Array(array(name, texts, &of)?)),
        ColumnarValue::Scalar(text) => {
            let results = array(name, &text.to_array()?, &of)?;
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?))
        }
    }
}

fn array(name: &str, texts: &ArrayRef, of: &impl Fn(&str) -> String) -> Result<ArrayRef> {
    Ok(match texts.data_type() {
        DataType::Utf8 => strings::<i32>(texts.as_string::<i32>(), of),
        DataType::LargeUtf8 => strings::<i64>(texts.as_string::<i64>(), of),
        DataType::Utf8View => strings::<i32>(texts.as_string_view(), of),
        DataType::Dictionary(_, _) => {
            let dictionary = texts.as_any_dictionary();
            dictionary.with_values(array(name, dictionary.values(), of)?)
        }
        other => return internal_err!("{name} was given {other}"),
    })
}

fn strings<'a, O: OffsetSizeTrait>(texts: impl StringArrayType<'a>, of: &impl Fn(&str) -> String) -> ArrayRef {
    let results: GenericStringArray<O> = texts.iter().map(|text| text.map(of)).collect();
    Arc::new(results)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use arrow::array::{DictionaryArray, LargeStringArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    const SENT: [Option<&str>; 4] = [Some("a"), None, Some("b"), Some("a")];

    #[test]
    fn every_form_of_text() {
        let forms: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter(SENT)),
            Arc::new(LargeStringArray::from_iter(SENT)),
            Arc::new(StringViewArray::from_iter(SENT)),
            Arc::new(SENT.into_iter().collect::<DictionaryArray<Int32Type>>()),
        ];
        for texts in forms {
            let results = array("f", &texts, &str::to_uppercase).expect("text");
            assert_eq!(*results.data_type(), result_type("f", &[texts.data_type().clone()]).expect("text"));
            let plain = arrow::compute::cast(&results, &DataType::Utf8).expect("text");
            let expected = [Some("A"), None, Some("B"), Some("A")];
            assert_eq!(plain.as_string::<i32>(), &StringArray::from_iter(expected));
        }
    }

    #[test]
    fn each_value_of_a_dictionary_once() {
        let texts: ArrayRef = Arc::new(SENT.into_iter().cycle().take(4000).collect::<DictionaryArray<Int32Type>>());
        let calls = Cell::new(0);
        let of = |text: &str| {
            calls.set(calls.get() + 1);
            text.to_owned()
        };
        assert_eq!(array("f", &texts, &of).expect("text").len(), 4000);
        assert_eq!(calls.get(), 2);
    }
}
