package gotemplate

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"
)

var errPassword = errors.New("the text was encrypted with another password, or not by encryptAES")

// decryptAES is the opposite of sprig's encryptAES. sprig's own panics with other texts, and may return anything for
// another password.
func decryptAES(password, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	if len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return "", errPassword
	}
	key := make([]byte, 32)
	copy(key, password)
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	decrypted := make([]byte, len(data)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(decrypted, data[aes.BlockSize:])
	// The last byte says how many bytes fill the last block. They all are that number.
	fill := decrypted[len(decrypted)-1]
	plain, ok := strings.CutSuffix(string(decrypted), strings.Repeat(string([]byte{fill}), int(fill)))
	if !ok || fill == 0 || fill > aes.BlockSize {
		return "", errPassword
	}
	return plain, nil
}
