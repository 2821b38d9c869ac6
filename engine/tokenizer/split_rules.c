/* SPDX-License-Identifier: MIT
 *
 * split_rules.c - the patterns of every pre-tokenizer, as their models publish them.
 * from: openai/gpt-2 src/encoder.py (GPT2), meta-llama/llama3 llama/tokenizer.py (LLAMA3), openai/tiktoken
 *       openai_public.py (o200k), tekken.json of mistral-common, the tokenizer.json files of the others;
 *       tests/golden/tokenizer/PATTERNS.md has the list. Rewritten for PCRE2 where it differs:
 *       its \s counts U+180E, so white space is written out; `\s+$` starts at the run's beginning only,
 *       or a long run that is not at the end would cost its length squared.
 */
#include "engine/tokenizer/pretokenize.h"

/* Unicode White_Space, for use inside [...]. */
#define WHITE                                                                                                \
    "\\x{09}-\\x{0D} "                                                                                       \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define SPACE        "[" WHITE "]"
#define NO_SPACE     "[^" WHITE "]"

#define SPACE_RUNS   SPACE "+(?!" NO_SPACE ")|" SPACE "+"
#define LINE_ENDS    SPACE "*[\\r\\n]+|" SPACE_RUNS
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

#define GPT2         "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WHITE "\\p{L}\\p{N}]+|" SPACE_RUNS

#define ALONE(n)     SPACE n "(?!" NO_SPACE ")" /* so many white spaces that nothing else follows */

/* What llama3 and its kin share, around their rule for numbers. */
#define LLAMA3(numbers)                                                                                      \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers "| ?[^" WHITE "\\p{L}\\p{N}]+[\\r\\n]*"           \
                 "|" LINE_ENDS

#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(tail, numbers)                                                                                 \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" tail     \
    "|" numbers "| ?[^" WHITE "\\p{L}\\p{N}]+[\\r\\n/]*|" LINE_ENDS

#define PUNCTUATION_RUNS "[\\p{P}$+<=>^~|`]+"

/* Words of Bloom: what is no space, no bracket and no full stop, comma, question or exclamation mark of any
 * script. */
#define BLOOM " ?[^(" WHITE "|.,!?)\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C}]+"

/* Kimi's letters are those of o200k without Chinese characters. \\p{Han} alone would ask for script
 * extensions. */
#define HAN         "\\p{sc:Han}"
#define NO_HAN(set) "(?:(?!" HAN ")" set ")"

/* Letters of DeepSeek LLM: cased ones up to Unicode 11. */
#define DEEPSEEK_LETTERS                                                                                     \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"                           \
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}"           \
    "\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}"                   \
    "\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}"            \
    "\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}"                           \
    "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}"                           \
    "\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}"                   \
    "\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"                  \
    "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}"                           \
    "\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}"                   \
    "\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}"                             \
    "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}"                   \
    "\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}"                            \
    "\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"                           \
    "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}"                           \
    "\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}"                     \
    "\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

#define DEEPSEEK_CJK "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

const hl_split_rule hl_split_default_ = {"default",
                                         {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}};
const hl_split_rule hl_split_gpt2 = {"gpt-2", {GPT2}};
const hl_split_rule hl_split_starcoder = {"starcoder", {"\\p{N}", GPT2}};
const hl_split_rule hl_split_falcon = {"falcon", {PUNCTUATION_RUNS, GPT2, "[0-9][0-9][0-9]"}};

const hl_split_rule hl_split_llama3 = {"llama3", {LLAMA3("\\p{N}{1,3}")}};
const hl_split_rule hl_split_qwen2 = {"qwen2", {LLAMA3("\\p{N}")}};
const hl_split_rule hl_split_minicpm5 = {"minicpm5", {"\\p{N}{1,3}", LLAMA3("\\p{N}+")}};
const hl_split_rule hl_split_qwen35 = {"qwen35",
                                       {CONTRACTIONS
                                        "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WHITE
                                        "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINE_ENDS}};

const hl_split_rule hl_split_gpt4o = {"gpt-4o", {O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}};
const hl_split_rule hl_split_tekken = {"tekken", {O200K("", "\\p{N}")}};

const hl_split_rule hl_split_seed_coder = {
    "seed-coder",
    {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^" WHITE "\\p{L}\\p{N}]+|" LINE_ENDS}};
const hl_split_rule hl_split_bloom = {"bloom", {BLOOM}};
const hl_split_rule hl_split_viking = {"viking", {BLOOM, "\\p{N}"}};
const hl_split_rule hl_split_bailingmoe = {
    "bailingmoe",
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^" WHITE
     "\\p{L}\\p{N}]++[\\r\\n]*|" SPACE "*[\\r\\n]|" SPACE_RUNS}};
const hl_split_rule hl_split_laguna = {"laguna", {"[^\\n]+|\\n+", LLAMA3("\\p{N}")}};
const hl_split_rule hl_split_jais2 = {
    "jais-2",
    {CONTRACTIONS
     "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^" WHITE "\\p{L}\\p{N}]+[\\r\\n]*|" SPACE
     "*[\\r\\n]+|" ALONE("{512}") "|" ALONE("{256}") "|" ALONE("{128}") "|" ALONE("{64}") "|" ALONE(
         "{32}") "|" ALONE("{16}") "|" ALONE("{8}") "|" ALONE("{4}") "|" ALONE("{1,2}") "|" SPACE}};
const hl_split_rule hl_split_youtu = {
    "youtu",
    {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{"
     "2014}"
     "\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+"
     "|[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
     O200K(CONTRACTIONS "?", "\\p{N}")}};
/* Words may hold single spaces. */
const hl_split_rule hl_split_exaone_moe = {
    "exaone-moe",
    {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|\\p{N}| ?[^" WHITE
                  "\\p{L}\\p{N}]+[\\r\\n/]?|" SPACE "*[\\r\\n]|" SPACE_RUNS}};
const hl_split_rule hl_split_kimi_k2 = {"kimi-k2",
                                        {HAN "+|[^\\r\\n\\p{L}\\p{N}]?" NO_HAN(UPPER) "*" NO_HAN(
                                            LOWER) "+" CONTRACTIONS
                                                   "?|[^\\r\\n\\p{L}\\p{N}]?" NO_HAN(UPPER) "+" NO_HAN(
                                                       LOWER) "*" CONTRACTIONS "?|\\p{N}{1,3}| ?[^" WHITE
                                                              "\\p{L}\\p{N}]+[\\r\\n]*|" LINE_ENDS}};
const hl_split_rule hl_split_chameleon = {
    "chameleon",
    {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", GPT2}};

const hl_split_rule hl_split_deepseek_llm = {
    "deepseek-llm",
    {"[\\r\\n]", SPACE "?[" DEEPSEEK_LETTERS "]+",
     SPACE "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
     "(?<!" SPACE ")" SPACE "++\\z", DEEPSEEK_CJK, "\\p{N}"}};
const hl_split_rule hl_split_deepseek_coder = {
    "deepseek-coder", {"[\\r\\n]", SPACE "?\\p{L}+", SPACE "?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}};
const hl_split_rule hl_split_deepseek_v3 = {
    "deepseek-v3",
    {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
     "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
     "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINE_ENDS}};
