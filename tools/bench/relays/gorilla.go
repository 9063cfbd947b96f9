// A minimal relay on Go's gorilla/websocket, with the tunnels of tunnels.mjs: gorilla PORT
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

type message = map[string]json.RawMessage

// peer is one WebSocket; writers of several connections may write to it.
type peer struct {
	socket *websocket.Conn
	lock   sync.Mutex
}

func (p *peer) send(text []byte) {
	p.lock.Lock()
	defer p.lock.Unlock()
	_ = p.socket.WriteMessage(websocket.TextMessage, text)
}

type tunnel struct {
	workstation *peer
	lock        sync.RWMutex
	devices     map[string]*peer
}

var (
	tunnels     = map[string]*tunnel{}
	tunnelsLock sync.RWMutex
	upgrader    = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
)

func text(raw json.RawMessage) (value string) {
	_ = json.Unmarshal(raw, &value)
	return
}

func encode(value any) []byte {
	encoded, _ := json.Marshal(value)
	return encoded
}

func workstation(from *peer) func(string, message) {
	chance := make([]byte, 6)
	_, _ = rand.Read(chance)
	id, own := hex.EncodeToString(chance), &tunnel{workstation: from, devices: map[string]*peer{}}
	tunnelsLock.Lock()
	tunnels[id] = own
	tunnelsLock.Unlock()
	from.send(encode(map[string]any{"type": "workstation.registered", "payload": map[string]string{"tunnel_id": id}}))
	return func(kind string, said message) {
		own.lock.RLock()
		defer own.lock.RUnlock()
		if kind == "forward.to_device" {
			if device := own.devices[text(said["device_id"])]; device != nil {
				device.send([]byte(text(said["payload"])))
			}
			return
		}
		all := encode(said)
		for _, device := range own.devices {
			device.send(all)
		}
	}
}

func client(from *peer, said message) func(string, message) {
	var payload struct {
		TunnelID string `json:"tunnel_id"`
		DeviceID string `json:"device_id"`
	}
	_ = json.Unmarshal(said["payload"], &payload)
	tunnelsLock.RLock()
	own := tunnels[payload.TunnelID]
	tunnelsLock.RUnlock()
	own.lock.Lock()
	own.devices[payload.DeviceID] = from
	own.lock.Unlock()
	from.send(encode(map[string]any{"type": "connected", "payload": map[string]string{"tunnel_id": payload.TunnelID}}))
	device := json.RawMessage(encode(payload.DeviceID))
	return func(_ string, said message) {
		said["device_id"] = device
		own.workstation.send(encode(said))
	}
}

func serve(answer http.ResponseWriter, request *http.Request) {
	socket, err := upgrader.Upgrade(answer, request, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	from := &peer{socket: socket}
	var handle func(string, message)
	for {
		_, data, err := socket.ReadMessage()
		if err != nil {
			return
		}
		var said message
		if json.Unmarshal(data, &said) != nil {
			continue
		}
		switch kind := text(said["type"]); {
		case kind == "ping":
			from.send(encode(map[string]any{"type": "pong", "timestamp": said["timestamp"]}))
		case handle != nil:
			handle(kind, said)
		case kind == "workstation.register":
			handle = workstation(from)
		default:
			handle = client(from, said)
		}
	}
}

func main() {
	http.HandleFunc("/ws", serve)
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
