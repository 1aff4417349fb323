// Decrypts a sealed message with the key that its recipient types. What is done here is written down in service/sealed.py.
"use strict";

const INFO = "dragoman sealed message";
const NONCE = 12;

const bytes = (text) => new TextEncoder().encode(text);
const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const letters = (typed) => typed.toUpperCase().replace(/[^A-Z2-7]/g, "");

async function decrypted(key, code, box) {
  const secret = await crypto.subtle.importKey("raw", bytes(key), "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: bytes(code), info: bytes(INFO) };
  const aes = await crypto.subtle.deriveKey(how, secret, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
  const about = { name: "AES-GCM", iv: box.slice(0, NONCE), additionalData: bytes(code) };
  return new TextDecoder().decode(await crypto.subtle.decrypt(about, aes, box.slice(NONCE)));
}

function complain(why) {
  const error = document.getElementById("error");
  error.textContent = why;
  error.hidden = false;
}

async function open(event) {
  event.preventDefault();
  document.getElementById("error").hidden = true;
  const { code, box } = document.getElementById("message").dataset;
  if (!window.crypto || !crypto.subtle) {
    return complain("This browser decrypts only on pages that came by https.");
  }
  try {
    const text = document.getElementById("text");
    text.textContent = await decrypted(letters(document.getElementById("key").value), code, fromBase64(box));
    text.hidden = false;
    document.getElementById("form").hidden = true;
  } catch {
    complain("This key does not open the message. Compare it with what the sender told you.");
  }
}

document.getElementById("form").addEventListener("submit", open);
