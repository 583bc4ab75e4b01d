from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")

with open("test/fixtures/audio/jfk.wav", "rb") as audio:
    print(client.audio.transcriptions.create(model="whisper-1", file=audio).text)
