#pragma once

namespace tessera {

// What the help says beside the lists of options.

inline constexpr const char* kHelp =
    R"(Tessera runs a vision-language model that no single device can hold: it splits
the model over several devices, loads each piece straight onto its own, and
answers questions about pictures.

Usage: tessera COMMAND [OPTIONS]

Commands:
  run        answer one question
  chat       answer several, in a terminal or from a pipe
  plan       the best split of a model over devices, before loading or buying
  devices    what this machine has, measured
  serve      many users at once: a web page and an OpenAI-compatible server
  bench      figures beside the machine's limits
  tokenize   text to token ids and back
  pack       a copy of a model that loads without conversion

  tessera COMMAND --help explains a command; tessera --version tells the version.

Examples:
  What is in the picture?
    tessera run --model-path Yi-VL-6B --image-file cat.jpg --question "What is this?"

  Serve it to a browser and to programs
    tessera serve --model-path Yi-VL-6B

  Would the model fit on three cards with 24 GiB each?
    tessera plan --model-path Yi-VL-34B/config.json --devices 3x24GiB

  Split over three parts of this machine's memory, each with a budget of its own:
    tessera run --model-path models/demo --devices 3xcpu@40MiB \
      --image-file picture.png --question "How many circles are there?"

Devices (--devices) are `auto` or a list of [N x]KIND[:INDEX][@MEMORY][{KEY=VALUE;...}]:
  cuda:0@22GiB                        a GPU, or a share of its memory
  cuda{graphs=on;gemm=cublaslt}       decode steps as CUDA graphs; many rows of bf16 by NVIDIA's
                                      library, the same answer for the same chunks only
  3xcpu@40MiB                         three virtual devices in host memory
  2xcpu@1GiB{threads=1;speed=0.5;link=12GB/s}    slower ones, on a slower link
  cpu{isa=avx2}                       one whose kernels use these instructions only
  3x24GiB, 2xrtx3090,1xrtx3080        for plan alone: hardware that is not there

In the names of long options - and _ are alike. Answers and JSON go to stdout,
all else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
)";

inline constexpr const char* kRunSummary = "Answers one question; the text streams to stdout.";
inline constexpr const char* kRunExamples =
    R"(Examples:
  tessera run --model-path Yi-VL-6B --image-file cat.jpg --question "What is this?"
  tessera run --model-path Yi-VL-34B --devices 3xcuda:0@24GiB --temperature 0 \
    --image-file a.png --image-file b.png --question "What differs?"
  tessera run --model-path models/demo --question "Hello" --json | jq .timings
)";

inline constexpr const char* kChatSummary =
    "Answers several questions in turn; each one knows those before it. In a terminal with line "
    "editing; from a pipe one question a line.";
inline constexpr const char* kChatExamples =
    R"(In the conversation:
  /image F   a picture for the next question     /reset   forget the conversation
  /plan      the split of the model              /help    this list
  /quit      leave, as Ctrl-D does
  Ctrl-C stops an answer; at the prompt it clears the line, twice it leaves.

Examples:
  tessera chat --model-path Yi-VL-6B --image-file cat.jpg
  printf 'What is this?\nWhat colour is it?\n' |
    tessera chat --model-path Yi-VL-6B --image-file cat.jpg --json
)";

inline constexpr const char* kPlanSummary =
    "The best split of a model over devices, found without loading it. Devices need not be there. "
    "Exit status 1 when it does not fit; then it says what would.";
inline constexpr const char* kPlanExamples =
    R"(Examples:
  tessera plan --model-path Yi-VL-34B/config.json --devices 3x24GiB
  tessera plan --model-path Yi-VL-34B --devices 2xrtx3090,1xrtx3080 --context 8192 --svg plan.svg
  tessera plan --model-path Yi-VL-6B --devices 3xcpu@6GiB --json > plan.json
  tessera plan --model-path Yi-VL-6B --devices 3xcpu@6GiB --check plan.json
  tessera run  --model-path Yi-VL-6B --devices 3xcpu@6GiB --plan plan.json --question "Hello"
)";

inline constexpr const char* kDevicesSummary =
    "What this machine has: processors, caches, memory under its limits, rates measured now; GPUs "
    "as --devices numbers them, with what has been measured of them.";
inline constexpr const char* kDevicesExamples = R"(Examples:
  tessera devices --measure
  tessera devices --json | jq .host.read_bytes_per_s
)";

inline constexpr const char* kTokenizeSummary =
    "Turns text into the model's token ids, or ids into text.";
inline constexpr const char* kTokenizeExamples =
    R"(Examples:
  tessera tokenize --model-path Yi-VL-6B "What is this?"
  tessera tokenize --model-path Yi-VL-6B --ids 2324,14,456 --json
  tessera tokenize --model-path Yi-VL-6B -- "-- a text that begins with a dash"
)";

inline constexpr const char* kPackSummary =
    "Writes a copy of a model in Tessera's own layout, in one precision. CPU devices map it "
    "instead "
    "of loading it, so that it starts at once. Every command takes OUT as --model-path. Stopped at "
    "any point, the same command goes on.";
inline constexpr const char* kPackExamples =
    R"(Examples:
  tessera pack --model-path Yi-VL-6B --precision int8 Yi-VL-6B-int8
  tessera run --model-path Yi-VL-6B-int8 --image-file cat.jpg --question "What is this?"
  tessera pack --check Yi-VL-6B-int8
)";

inline constexpr const char* kBenchHelp =
    R"(Measures speed beside what the machine could do at most, and what precision costs.

Usage: tessera bench machine [OPTIONS]    the processors' limits, and what the kernels reach
       tessera bench model [OPTIONS]      prefill and decode of a model
       tessera bench quality [OPTIONS]    how lower precisions change a model's answers

  tessera bench machine --help and its like list the options.
)";

inline constexpr const char* kServeSummary =
    "Serves a model to many users at once: an OpenAI-compatible API, metrics, and a web page.";
inline constexpr const char* kServeExamples =
    R"(Examples:
  tessera serve --model-path Yi-VL-6B
  tessera serve --model-path Yi-VL-34B --devices cuda --host 0.0.0.0 --api-keys keys.txt \
    --tls-cert cert.pem --tls-key key.pem
  curl http://127.0.0.1:8080/v1/chat/completions -H "Content-Type: application/json" \
    -d '{"messages": [{"role": "user", "content": "Hello"}]}'

The page is at the address itself, the description of the API at /openapi.json, metrics for
Prometheus at /metrics. SIGTERM finishes the answers under way and ends with status 0; a second one
ends at once.
)";

inline constexpr const char* kBenchMachineSummary =
    "Measures how fast this machine reads memory and multiplies at most, and what the kernels "
    "reach "
    "of it with weights of each precision.";
inline constexpr const char* kBenchMachineExamples =
    R"(Examples:
  tessera bench machine
  tessera bench machine --json | jq .kernels
)";

inline constexpr const char* kBenchModelSummary =
    "Loads a model and times a prompt, the tokens after it and, where it takes them, a picture.";
inline constexpr const char* kBenchModelExamples =
    R"(Examples:
  tessera bench model --model-path Yi-VL-6B --devices 2xcpu@8GiB --prompt-tokens 1100
  tessera bench model --model-path models/demo --precision int4 --sequences 8
)";

inline constexpr const char* kBenchQualitySummary =
    "Compares what a model says at lower precisions with what it says at the reference's: KL "
    "divergence of the next token's distribution, agreement on the likeliest token, perplexity. "
    "Measures what each layer costs alone, for the planner.";
inline constexpr const char* kBenchQualityExamples =
    R"(Examples:
  What would int8 and int4 do to the model's answers?
    tessera bench quality --model-path Yi-VL-6B --text book.txt --precision int8,int4

  Which layers may be stored coarsely? Measure once, then let the planner know:
    tessera bench quality --model-path Yi-VL-6B --images photos --measure-sensitivities s.json
    tessera plan --model-path Yi-VL-6B --devices 3xcpu@3GiB --sensitivities s.json --json > p.json
    tessera bench quality --model-path Yi-VL-6B --images photos --sensitivities s.json --plan p.json
)";

}  // namespace tessera
