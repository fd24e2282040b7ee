"""The prompt of Yi-VL, and how it falls into pieces that may be tokenised one by one.

    SYSTEM\\n\\n### Human: <image_placeholder>\\n{q}\\n### Assistant: {a}\\n### Human: {q}\\n### ..

The template puts nothing after the last "Assistant:", so an answer begins with a space; and it
puts "\\n### " after each answer, so a model writes "\\n###" when it is done, which is where the
reference cuts.
"""

from __future__ import annotations

IMAGE = "<image_placeholder>"
STOP = "###"
SYSTEM = (
    "This is a chat between an inquisitive human and an AI assistant. Assume the role of the AI"
    " assistant. Read all the images carefully, and respond to the human's questions with"
    " informative, helpful, detailed and polite answers."
    " 这是一个好奇的人类和一个人工智能助手之间的对话。假设你扮演这个AI助手的角色。"
    "仔细阅读所有的图像，并对人类的问题做出信息丰富、有帮助、详细的和礼貌的回答。"
)
OPENING = f"{SYSTEM}\n\n### Human:"  # before the space: what all prompts share, picture or not
assert len(SYSTEM) == 303

Turn = tuple[str, str]


def question_text(question: str) -> str:
    """From the end of "Human: <image_placeholder>" (or "Human: ") to the open "Assistant:"."""
    return f"{question}\n### Assistant:"


def answer_text(answer: str) -> str:
    """What the model writes: all of this is trained on, the last token being the stop string."""
    return f" {answer}\n{STOP}"


def render(history: list[Turn], question: str, with_image: bool) -> str:
    """The whole prompt as the reference renders it, with the placeholder where the picture is."""
    turns = [*history, (question, "")]
    if with_image:
        turns[0] = (f"{IMAGE}\n{turns[0][0]}", turns[0][1])
    text = OPENING
    for i, (asked, answered) in enumerate(turns):
        text += (" Human: " if i else " ") + question_text(asked)
        if i < len(turns) - 1:
            text += answer_text(answered)
    return text


def cut(continuation: str) -> str:
    """The answer in a continuation that ran into the stop string."""
    return continuation.split(STOP)[0].strip()
