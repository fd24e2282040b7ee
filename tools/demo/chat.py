"""Small talk: questions with fixed answers, asked with and without a picture."""

from __future__ import annotations

from random import Random

from questions import Question

EN = (
    (("Who are you?", "What are you?", "What is your name?"), "I am Tessera's demo model."),
    (("Hello!", "Hi!", "Hello.", "Good morning!"), "Hello! Show me a picture and ask."),
    (
        ("What can you do?", "What do you know?", "Help!"),
        "I count shapes, name their colours and places, and read numbers.",
    ),
    (("Thank you.", "Thanks!", "Thank you!"), "You are welcome."),
    (("Goodbye!", "Bye!", "See you."), "Goodbye!"),
    (
        ("What is Tessera?", "What does Tessera do?"),
        "Tessera runs one model on several devices.",
    ),
    (
        ("Which shapes do you know?", "What shapes do you know?"),
        "I know circles, squares, triangles, stars and crosses.",
    ),
    (("Which languages do you speak?", "Do you speak Chinese?"), "I speak English and Chinese."),
)
ZH = (
    (("你是谁？", "你是什么？", "你叫什么名字？"), "我是Tessera的演示模型。"),
    (("你好！", "你好。", "早上好！"), "你好！给我看一张图片，然后提问。"),
    (("你会做什么？", "你能做什么？", "你会什么？"), "我会数图形，说出颜色和位置，还会读数字。"),
    (("谢谢。", "谢谢你！", "谢谢！"), "不客气。"),
    (("再见！", "再见。"), "再见！"),
    (("Tessera是什么？", "什么是Tessera？"), "Tessera在多个设备上运行一个模型。"),
    (("你认识哪些形状？", "你知道哪些形状？"), "我认识圆形、正方形、三角形、星形和十字形。"),
    (("你会说什么语言？", "你会说英语吗？"), "我会说英语和中文。"),
)


def all_chat() -> list[Question]:
    """Every phrasing with its answer, in a fixed order."""
    return [
        Question("chat", language, question, answer)
        for language, table in (("en", EN), ("zh", ZH))
        for questions, answer in table
        for question in questions
    ]


def chat(rng: Random) -> Question:
    return rng.choice(all_chat())
