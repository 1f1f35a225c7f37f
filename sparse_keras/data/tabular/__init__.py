"""Tables: from raw columns to the arrays that a model takes, and back.

Reading files
    formats/, csr/files.py     a format a file: CSV, Excel, JSON lines, Parquet, NPZ; matrices
    table_files.py             the format for a path; whole files, parts, samples
    reading.py, npz_headers.py what all formats share: damage, size in memory, compression
    encodings.py, sniffing.py  the encoding and the separator of a CSV file
    file_settings.py, unsupported.py   the keys that say how to read a file; other formats
    writing.py                 predictions to files

What values mean
    columns.py, missing.py     numbers, categories and missing values, one rule for all entrances
    native.py                  data frames of other libraries
    dates.py, number_formats.py  how dates and numbers are written
    column_kinds.py            `data.columns`, applied to the values of a table
    misreadings.py             columns whose kind must be declared
    targets.py, target_inference.py, multi_target.py, weights.py   what is predicted; how much a row
                               counts

From a config to a model
    readers/                   a data set a file; `files.py` reads the user's own
    describe.py                what a table seems to hold, for `sparse-keras init`
    splits.py, split_rows.py   rows for training and testing: at random; by column, group or time
    split.py                   how they were split, in words
    selection.py, select_columns.py   columns that are chosen
    fitting.py, csr_fitting.py statistics of the training rows
    encoded_columns.py, date_column.py, csr/text.py   the encoding of a column
    numeric_encoding.py, features.py   that of a table
    features_as_json.py, stored_features.py   as it is stored, and what is checked when it is read
    inputs.py                  what a model has to know of it
    table.py                   all of this together: `load_table`
    preprocessor.py            the encoding within a model; exports in tensorflow_*.py
    sources.py                 where the files of data sets come from
"""
