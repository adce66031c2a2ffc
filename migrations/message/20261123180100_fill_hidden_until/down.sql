UPDATE chat_heads SET hidden_until_seq = 0;
