-- 0003_bench_setup.sql - what a benchmark ran with, so that `bench --history` compares like with like, and how near to
-- the machine's limit each value was.
--
-- NULL means not known: the row was made before these columns were, or the value has no limit to be compared with.
ALTER TABLE bench_result ADD COLUMN n_threads INTEGER;
ALTER TABLE bench_result ADD COLUMN isa TEXT;     -- instruction sets in use: "scalar avx2"
ALTER TABLE bench_result ADD COLUMN kv_type TEXT; -- of the key/value cache: "f16"
ALTER TABLE bench_result ADD COLUMN share REAL;   -- of the machine's limit, measured in the same run: 0.9
